//! The engine's thread: commands in, events and pictures out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, watch};

use super::archiving::Archiving;
use super::drafting::Draft;
use super::event::{
    CachePicture, Command, Compare, CompareEvent, Event, InForce, ModelInfo, PartialSampling,
    PolicyInfo, TurnStats,
};
use super::gate::Gate;
use super::handle::EngineHandle;
use super::session::{Eviction, Model, Session, TurnError, Watcher};
use super::shorten::shorten;
use crate::policy::{Budget, Preset};

/// Commands that may wait; the screen keeps what does not fit.
const COMMANDS: usize = 64;

/// A model that is ready to run.
pub struct Loaded {
    pub model: Model,
    pub info: ModelInfo,
}

/// What a conversation starts with.
#[derive(Clone, Debug)]
pub struct Start {
    pub eviction: Eviction,
    /// What the user says of it.
    pub sampling: PartialSampling,
    pub system: Option<String>,
    pub archiving: Archiving,
    pub draft: Draft,
}

/// Starts the engine's thread. `load` runs on it and may send [`Event::Fetching`] and
/// [`Event::Loading`]; its error (one message that says what to do next) ends the engine.
///
/// # Errors
/// When the system gives no thread.
pub fn start(
    load: impl FnOnce(&dyn Fn(Event)) -> Result<Loaded, String> + Send + 'static,
    start: Start,
) -> std::io::Result<EngineHandle> {
    let (commands, inbox) = mpsc::channel(COMMANDS);
    let (outbox, events) = mpsc::unbounded_channel();
    let (pictures, picture) = watch::channel(CachePicture::default());
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    std::thread::Builder::new()
        .name("engine".into())
        .spawn(move || {
            let out = Out {
                events: outbox.clone(),
                pictures,
                stop: flag,
                in_force: InForce::default(),
                gate: Gate::from_env(),
            };
            let work = AssertUnwindSafe(move || run(load, start, inbox, out));
            if catch_unwind(work).is_err() {
                // The panic hook has said where; the screen only has to know that it is over.
                let message = "the engine stopped by a fault of its own; restart cachat to go on";
                let _ = outbox.send(Event::Fatal(message.into()));
            }
        })?;
    Ok(EngineHandle {
        commands,
        events,
        picture,
        stop,
    })
}

struct Out {
    events: mpsc::UnboundedSender<Event>,
    pictures: watch::Sender<CachePicture>,
    stop: Arc<AtomicBool>,
    /// What the screen was told last.
    in_force: InForce,
    gate: Gate,
}

impl Watcher for Out {
    /// Also when nobody listens any more.
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.events.is_closed()
    }

    fn event(&mut self, event: Event) {
        match &event {
            Event::Ready { policy, .. } | Event::PolicyChanged(policy) => {
                self.in_force = policy.in_force;
            }
            Event::InForce(now) if *now == self.in_force => return,
            Event::InForce(now) => self.in_force = *now,
            _ => {}
        }
        super::log::event(&event);
        let waits = self.gate.behind(&event);
        let _ = self.events.send(event);
        self.gate.pass(waits, || self.stopped());
    }

    fn picture(&mut self, picture: CachePicture) {
        self.pictures.send_replace(picture);
    }
}

fn run(
    load: impl FnOnce(&dyn Fn(Event)) -> Result<Loaded, String>,
    start: Start,
    mut inbox: mpsc::Receiver<Command>,
    mut out: Out,
) {
    let events = out.events.clone();
    let tell = move |event| {
        super::log::event(&event);
        let _ = events.send(event);
    };
    let Loaded { model, info } = match load(&tell) {
        Ok(loaded) => loaded,
        Err(message) => return tell(Event::Fatal(message)),
    };
    let mut notices = model.sampling.notices.clone();
    notices.extend(model.template.notice().map(str::to_owned));
    let Start {
        eviction,
        sampling,
        mut system,
        mut archiving,
        draft,
    } = start;
    let context = info.context;
    let mut sampling = sampling.over(&model.sampling.said);
    let mut session = match Session::new(model, eviction, system.clone()) {
        Ok(session) => session,
        Err(error) => return tell(Event::Fatal(error.to_string())),
    };
    session.set_draft(draft);
    let unarchived = archive(&mut session, &archiving).err();
    out.event(Event::Ready {
        model: Box::new(info),
        policy: policy(&session),
    });
    out.event(Event::Archive(Box::new(session.archived())));
    for notice in notices.into_iter().chain(unarchived) {
        out.event(Event::Notice(notice));
    }
    while let Some(command) = inbox.blocking_recv() {
        match command {
            Command::Ask { text } => {
                turn(&mut session, &mut out, |s, out| {
                    s.ask(&text, &sampling, out)
                });
            }
            Command::Continue => turn(&mut session, &mut out, |s, out| s.resume(&sampling, out)),
            Command::Compare(wish) => {
                if let Err(message) = compare(&session, &wish, &mut out) {
                    out.event(Event::Compare(CompareEvent::Failed(message)));
                }
            }
            Command::Reset | Command::Load(_) => {
                let messages = match command {
                    Command::Load(messages) => Some(messages),
                    _ => None,
                };
                match session.restart(system.clone(), messages) {
                    Ok(()) => {
                        out.event(Event::InForce(session.in_force()));
                        out.picture(session.picture());
                    }
                    Err(error) => out.event(Event::Notice(error.to_string())),
                }
            }
            Command::SetPolicy {
                policy: preset,
                budget,
            } => {
                let wanted = changed(session.eviction(), preset, budget);
                match session.evictor_of(wanted, context) {
                    Ok(_) => {
                        session.set_eviction(wanted);
                        out.event(Event::PolicyChanged(policy(&session)));
                        reselect(&mut session, &mut out);
                    }
                    // Not even a full context would make it a budget.
                    Err(error) => out.event(Event::Notice(error.to_string())),
                }
            }
            Command::Began(moment) => session.began(&moment),
            Command::SetArchive(mode) => {
                archiving.mode = mode;
                match archive(&mut session, &archiving) {
                    Ok(()) => out.event(Event::Archive(Box::new(session.archived()))),
                    Err(why) => out.event(Event::Notice(why)),
                }
                out.picture(session.picture_with_holders());
            }
            Command::SetSampling(said) => sampling = said.over(&session.model().sampling.said),
            Command::SetSystem(text) => system = Some(text).filter(|t| !t.trim().is_empty()),
            Command::Count { tag, text } => {
                let counted = session.model().tokenizer.encode(&text, false);
                out.event(match counted {
                    Ok(ids) => Event::Counted {
                        tag,
                        tokens: ids.len(),
                    },
                    Err(error) => Event::Notice(error.to_string()),
                });
            }
            Command::Shorten { tag, text, tokens } => {
                out.event(match shorten(&session.model().tokenizer, &text, tokens) {
                    Ok((bytes, tokens)) => Event::Shortened { tag, bytes, tokens },
                    Err(error) => Event::Notice(error.to_string()),
                });
            }
            Command::Shutdown => return,
        }
    }
}

fn turn(
    session: &mut Session,
    out: &mut Out,
    run: impl FnOnce(&mut Session, &mut Out) -> Result<TurnStats, TurnError>,
) {
    #[allow(clippy::panic)]
    if std::env::var_os("CACHAT_TEST_PANIC").is_some_and(|v| v == "engine") {
        panic!("a panic in the engine, asked for by CACHAT_TEST_PANIC");
    }
    let ended = run(session, out);
    // Where the turn came to nothing, that of the turn before holds.
    out.event(Event::InForce(session.in_force()));
    match ended {
        Ok(stats) => {
            out.event(Event::Tokens(session.token_texts()));
            out.event(Event::TurnFinished(stats));
            // Behind the turn: a slow disk is waited for here.
            out.event(Event::Archive(Box::new(session.archived())));
        }
        Err(TurnError::TooLong(figures)) => out.event(Event::TooLong(figures)),
        Err(error) => {
            let message = error.to_string();
            let turn = match error {
                TurnError::Model(_) => Some(session.turn()),
                _ => None,
            };
            out.picture(session.picture_with_holders());
            out.event(Event::Failed { turn, message });
        }
    }
}

/// From now on the session is archived as was set.
fn archive(session: &mut Session, archiving: &Archiving) -> Result<(), String> {
    let archive = archiving.open(&*session.model().network)?;
    session.set_archive(archive).map_err(|e| e.to_string())
}

/// What a new policy keeps is seen at once.
fn reselect(session: &mut Session, out: &mut Out) {
    match session.reselect(out) {
        Ok(()) => out.event(Event::InForce(session.in_force())),
        Err(error) => out.event(Event::Notice(error.to_string())),
    }
}

fn compare(session: &Session, wish: &Compare, out: &mut Out) -> Result<(), String> {
    let full = changed(session.eviction(), Some(Preset::FULL), wish.budget);
    let mut evictions = vec![full];
    for &preset in &wish.policies {
        let eviction = changed(session.eviction(), Some(preset), wish.budget);
        if !evictions.contains(&eviction) {
            evictions.push(eviction);
        }
    }
    let question = wish.question.as_deref();
    let compared = session.compare(question, &evictions, wish.max_tokens, out);
    compared.map(|_| ()).map_err(|e| e.to_string())
}

/// The policy as the screen shows it.
fn policy(session: &Session) -> PolicyInfo {
    let eviction = session.eviction();
    PolicyInfo {
        preset: eviction.preset,
        budget: eviction.budget,
        in_force: session.in_force(),
        window: eviction.params.window,
        slack: eviction.params.slack,
    }
}

fn changed(eviction: Eviction, preset: Option<Preset>, budget: Option<Budget>) -> Eviction {
    Eviction {
        preset: preset.unwrap_or(eviction.preset),
        budget: budget.unwrap_or(eviction.budget),
        ..eviction
    }
}
