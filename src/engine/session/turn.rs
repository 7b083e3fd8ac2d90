//! A turn: what is ahead is read, the cache is cut down, the answer is drawn.

use std::time::{Duration, Instant};

use super::ahead::{Ahead, How};
use super::{Session, TurnError, Watcher, in_force};
use crate::engine::answer::answer;
use crate::engine::event::{Event, Message, Sampling, Trigger, Turn, TurnStats};
use crate::engine::evict::Evictor;
use crate::engine::lane::{Lane, Read};
use crate::engine::picture;
use crate::engine::reading::{self, Reading, Text};
use crate::engine::thoughts::Thoughts;
use crate::model::ModelError;
use crate::model::begun;

const DAMAGED: &str = "a part of the conversation's archive is damaged or gone; it is read again";
/// How long the end of a turn may wait for the archive.
const AT_THE_END: Duration = Duration::from_millis(200);
/// Damaged segments of an archive that one turn gets over: each is forgotten, and read again.
const DAMAGES: usize = 32;

impl Session {
    /// Reads what is `ahead` and answers into the last of `messages`, which replace the session's
    /// own once everything is read.
    pub(super) fn turn_of(
        &mut self,
        turn: Turn,
        ahead: Ahead,
        messages: Vec<Message>,
        sampling: &Sampling,
        watcher: &mut dyn Watcher,
    ) -> Result<TurnStats, TurnError> {
        let Ahead {
            mut how,
            tokens,
            prompt,
        } = ahead;
        let start = if how == How::Behind {
            self.lane.position()
        } else {
            0
        };
        let needed = start + tokens.len();
        self.fits(needed, start, &|| watcher.stopped())?;
        if let Some(news) = self.model.template.take_news() {
            watcher.event(Event::Notice(news.to_owned()));
        }
        let evictor = self.evictor(needed)?;
        watcher.event(Event::InForce(in_force(&evictor)));
        if how == How::Recalled && self.archive.is_none() && self.lane.recallable(&tokens) == 0 {
            how = How::Fresh;
        }
        let empty = self.lane.position() == 0;
        let recalled = match how {
            How::Recalled => match self.recall(&tokens, evictor, turn, watcher) {
                Err(TurnError::Model(ModelError::Archive)) => {
                    self.give_archive_up(watcher);
                    how = How::Fresh;
                    None
                }
                recalled => Some(recalled?),
            },
            How::Behind | How::Fresh => None,
        };
        let (reading, read, from) = match recalled {
            Some(recalled) => recalled,
            None => {
                let fresh = how == How::Fresh;
                let reading = self.read(&tokens, fresh, evictor, turn, watcher)?;
                (reading, tokens.len(), start)
            }
        };
        let mut stats = TurnStats::new(turn, read, reading.seconds);
        stats.reused_tokens = from;
        let Some(through) = reading.through else {
            // Over the pictures of the prefill that was given up.
            watcher.picture(self.picture_with_holders());
            return Ok(stats);
        };
        stats.recalled_entries = through.evicted.came_back;
        self.turn = turn;
        self.in_force = Some(evictor);
        self.messages = messages;
        self.prompt = prompt;
        self.drawn.paused = None;
        let said = self.messages.last().map_or("", |m| &m.content);
        self.drawn.thoughts = Thoughts::of(said);
        let begun = || begun::opened(&self.model.tokenizer, &self.prompt);
        self.drawn.opened = said.is_empty().then(begun).flatten();
        // A drawn token that was pending stands at the head of the new ones.
        if self.drawn.pending.take().is_some() {
            self.drawn.tokens.pop();
        }
        match how {
            How::Behind => self.drawn.tokens.extend(tokens),
            How::Fresh | How::Recalled => self.drawn.tokens = tokens,
        }
        // A conversation that begins shares a few tokens of the template with others: it reads, and brings
        // nothing back.
        let brought = from > 0 && !(empty && from < read);
        let trigger = match how == How::Recalled && brought && self.archive.is_some() {
            true => Trigger::Recall,
            false => Trigger::Prefill,
        };
        let logits = self.show(through, trigger, watcher);
        watcher.event(Event::Tokens(self.token_texts()));
        watcher.picture(self.picture_with_holders());
        self.answer(Some(logits), stats, sampling, watcher)
    }

    /// Reads `tokens` behind what the cache has, or from scratch.
    fn read(
        &mut self,
        tokens: &[u32],
        fresh: bool,
        evictor: Evictor,
        turn: Turn,
        watcher: &mut dyn Watcher,
    ) -> Result<Reading, TurnError> {
        let mut anew = match fresh {
            true => Some(Lane::new(&self.model.network, evictor)?),
            false => None,
        };
        let lane = match &mut anew {
            Some(lane) => lane,
            None => {
                self.lane.set_evictor(evictor);
                &mut self.lane
            }
        };
        watcher.event(Event::TurnStarted {
            turn,
            prompt_tokens: tokens.len(),
            position: lane.position(),
        });
        let reading = reading::read(lane, Text::Behind(tokens), turn, watcher)?;
        if reading.through.is_some()
            && let Some(mut lane) = anew
        {
            lane.remember(self.lane.peak());
            self.lane = lane;
        }
        Ok(reading)
    }

    /// Selects the cache from all of `tokens`, of which only those are read that are not archived: how
    /// many, and how many stand before them.
    pub(super) fn recall(
        &mut self,
        tokens: &[u32],
        evictor: Evictor,
        turn: Turn,
        watcher: &mut dyn Watcher,
    ) -> Result<(Reading, usize, usize), TurnError> {
        let before = *self.lane.evictor();
        self.lane.set_evictor(evictor);
        let mut last = None;
        for _ in 0..DAMAGES {
            let from = self.lane.recallable(tokens);
            // What the cache holds is not read either, whatever is forgotten of the archive.
            let archive = self.archive.as_ref();
            let forgotten = archive.is_some_and(|archive| archive.was_damaged());
            if last == Some(from) && !forgotten {
                // It did not help.
                break;
            }
            last = Some(from);
            if forgotten {
                self.tell_of_archive(DAMAGED.into(), watcher);
            }
            watcher.event(Event::TurnStarted {
                turn,
                prompt_tokens: tokens.len() - from,
                position: from,
            });
            let text = Text::Whole { tokens, from };
            match reading::read(&mut self.lane, text, turn, watcher) {
                Err(ModelError::Archive) => self.tell_of_archive(DAMAGED.into(), watcher),
                Err(error) => {
                    self.lane.set_evictor(before);
                    return Err(error.into());
                }
                Ok(reading) => {
                    if reading.through.is_none() {
                        self.lane.set_evictor(before);
                    }
                    return Ok((reading, tokens.len() - from, from));
                }
            }
        }
        self.lane.set_evictor(before);
        Err(ModelError::Archive.into())
    }

    /// Shows what a read evicted.
    pub(super) fn show(
        &mut self,
        through: Read,
        trigger: Trigger,
        watcher: &mut dyn Watcher,
    ) -> Vec<f32> {
        if !through.evicted.layers.is_empty() {
            let layers = self.lane.layers();
            let round = picture::round(layers, trigger, self.turn, through.evicted);
            watcher.event(Event::Eviction(Box::new(round)));
        }
        through.logits
    }

    /// Decodes onto the last message.
    pub(super) fn answer(
        &mut self,
        logits: Option<Vec<f32>>,
        mut stats: TurnStats,
        sampling: &Sampling,
        watcher: &mut dyn Watcher,
    ) -> Result<TurnStats, TurnError> {
        let begun = Instant::now();
        let (more, outcome) = answer(
            &mut self.lane,
            &self.model.tokenizer,
            logits,
            &mut self.drawn,
            sampling,
            &mut stats,
            watcher,
        );
        stats.decode_seconds = begun.elapsed().as_secs_f64();
        if let Some(last) = self.messages.last_mut() {
            last.content.push_str(&more);
        }
        let archived = self.lane.archive_decoded();
        if let Some(archive) = &self.archive {
            // Before the answer counts as given, so that who goes on after a crash goes on from the same
            // numbers; a slow disk is not waited for.
            archive.settle(AT_THE_END);
        }
        if let Some(trouble) = self.archive.as_ref().and_then(|archive| archive.trouble()) {
            let message = format!(
                "this part of the conversation is not archived ({trouble}); it is read again when \
                 it is needed"
            );
            self.tell_of_archive(message, watcher);
        }
        crate::heap::give_back();
        watcher.picture(self.picture_with_holders());
        outcome?;
        archived?;
        Ok(stats)
    }

    /// It cannot be relied on.
    fn give_archive_up(&mut self, watcher: &mut dyn Watcher) {
        let trouble = self.archive.take().and_then(|archive| archive.trouble());
        self.lane.leave_archive();
        let why = trouble.map_or(String::new(), |trouble| format!(" ({trouble})"));
        let message = format!(
            "the archive cannot be used{why}: what is evicted is gone for the questions that follow; \
             /archive memory keeps it"
        );
        self.tell_of_archive(message, watcher);
        watcher.event(Event::Archive(Box::new(self.archived())));
    }

    /// Each thing once in a conversation.
    fn tell_of_archive(&mut self, message: String, watcher: &mut dyn Watcher) {
        if !self.told.contains(&message) {
            watcher.event(Event::Notice(message.clone()));
            self.told.push(message);
        }
    }
}
