//! The engine's thread: commands in, events and pictures out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, watch};

use super::cut::cut;
use super::event::{
    CachePicture, Command, Compare, CompareEvent, Event, ModelInfo, PolicyInfo, Sampling, TurnStats,
};
use super::handle::EngineHandle;
use super::session::{Eviction, Model, Session, TurnError, Watcher};
use crate::policy::Budget;

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
    pub sampling: Sampling,
    pub system: Option<String>,
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
}

impl Watcher for Out {
    /// Also when nobody listens any more.
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.events.is_closed()
    }

    fn event(&mut self, event: Event) {
        super::log::event(&event);
        let _ = self.events.send(event);
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
    let notice = model.template.notice().map(str::to_owned);
    let Start {
        eviction,
        mut sampling,
        mut system,
    } = start;
    let context = info.context;
    let mut session = match Session::new(model, eviction, system.clone()) {
        Ok(session) => session,
        Err(error) => return tell(Event::Fatal(error.to_string())),
    };
    tell(Event::Ready {
        model: Box::new(info),
        policy: policy(&session, context),
    });
    if let Some(notice) = notice {
        tell(Event::Notice(notice));
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
                    Ok(()) => out.picture(session.picture()),
                    Err(error) => out.event(Event::Notice(error.to_string())),
                }
            }
            Command::SetPolicy {
                policy: name,
                budget,
            } => match changed(session.eviction(), name, budget) {
                Ok(eviction) => {
                    let before = session.eviction();
                    session.set_eviction(eviction);
                    match session.evictor(context) {
                        Ok(_) => out.event(Event::PolicyChanged(policy(&session, context))),
                        Err(error) => {
                            session.set_eviction(before);
                            out.event(Event::Notice(error.to_string()));
                        }
                    }
                }
                Err(message) => out.event(Event::Notice(message)),
            },
            Command::SetSampling(changed) => sampling = changed,
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
            Command::Cut { tag, text, tokens } => {
                out.event(match cut(&session.model().tokenizer, &text, tokens) {
                    Ok((bytes, tokens)) => Event::Cut { tag, bytes, tokens },
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
    match run(session, out) {
        Ok(stats) => {
            out.event(Event::Tokens(session.token_texts()));
            out.event(Event::TurnFinished(stats));
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

fn compare(session: &Session, wish: &Compare, out: &mut Out) -> Result<(), String> {
    let mut evictions = vec![changed(
        session.eviction(),
        Some("full".into()),
        wish.budget.clone(),
    )?];
    for name in &wish.policies {
        let eviction = changed(session.eviction(), Some(name.clone()), wish.budget.clone())?;
        if !evictions.contains(&eviction) {
            evictions.push(eviction);
        }
    }
    let question = wish.question.as_deref();
    let compared = session.compare(question, &evictions, wish.max_tokens, out);
    compared.map(|_| ()).map_err(|e| e.to_string())
}

/// The policy in force; a budget relative to the prompt is shown for a full context.
fn policy(session: &Session, context: usize) -> PolicyInfo {
    let eviction = session.eviction();
    let evictor = session.evictor(context).ok();
    PolicyInfo {
        name: eviction.preset.name().into(),
        budget: evictor.filter(|e| e.bounded()).map(|e| e.budget),
        window: eviction.params.window,
        slack: eviction.params.slack,
    }
}

fn changed(
    mut eviction: Eviction,
    name: Option<String>,
    budget: Option<String>,
) -> Result<Eviction, String> {
    if let Some(name) = name {
        let unknown = |e: crate::policy::preset::UnknownPolicy| e.to_string();
        eviction.preset = name.parse().map_err(unknown)?;
    }
    if let Some(budget) = budget {
        let wrong = |e: crate::policy::budget::BudgetError| e.to_string();
        eviction.budget = budget.parse::<Budget>().map_err(wrong)?;
    }
    Ok(eviction)
}
