//! The same turn under several policies, from the same past: what each one keeps, how fast it is,
//! and how far its answer strays from the full cache's. The conversation itself is only read.

mod run;

pub use super::comparison::{CompareEvent, Comparison, MAX_TOKENS, Past, Plan, PolicyRun};
use super::event::{Event, Message, Role};
use super::evict::Evictor;
use super::lane::Lane;
use super::session::{Eviction, How, Session, TurnError, Watcher};
use run::{Relay, Runner, Teacher};

impl Session {
    /// Answers `question` (or the last one again) greedily under each of `evictions`, the full
    /// cache first. Where `question` is the last one, its earlier answer is left out: every policy
    /// would copy it. The pictures of the cache stay the conversation's own. Whatever happens, the conversation is bit for bit as it was.
    ///
    /// # Errors
    /// When there is nothing to ask, it does not fit, a budget is impossible or the model fails.
    pub fn compare(
        &self,
        question: Option<&str>,
        evictions: &[Eviction],
        max_tokens: usize,
        watcher: &mut dyn Watcher,
    ) -> Result<Comparison, TurnError> {
        let compared = self.compare_runs(question, evictions, max_tokens, watcher);
        if let Ok(comparison) = &compared {
            let stopped = comparison.stopped;
            watcher.event(Event::Compare(CompareEvent::Ended { stopped }));
        }
        compared
    }

    fn compare_runs(
        &self,
        question: Option<&str>,
        evictions: &[Eviction],
        max_tokens: usize,
        watcher: &mut dyn Watcher,
    ) -> Result<Comparison, TurnError> {
        let Compared {
            question,
            left_out,
            mut past,
            tokens,
        } = self.compared_turn(question, &|| watcher.stopped())?;
        let network = &self.model().network;
        let start = match past {
            Past::Shared => self.position(),
            _ => 0,
        };
        let position = start + tokens.len();
        self.fits(position, start, &|| watcher.stopped())?;
        let archive = self.archive();
        let archived = archive.map_or(0, |archive| archive.find(&tokens).len());
        if archived > 0 {
            past = Past::Archived;
        }
        let evictors: Vec<Evictor> = evictions
            .iter()
            .map(|e| self.evictor_of(*e, position))
            .collect::<Result<_, _>>()?;
        let plan = Plan {
            question,
            policies: evictors
                .iter()
                .map(|e| (e.preset.name().to_owned(), e.bound_per_head()))
                .collect(),
            prompt_tokens: tokens.len() - archived.min(tokens.len()),
            position,
            past,
            left_out,
            max_tokens: max_tokens.clamp(1, MAX_TOKENS),
        };
        watcher.event(Event::Compare(CompareEvent::Started(Box::new(
            plan.clone(),
        ))));
        let mut comparison = Comparison {
            plan,
            runs: Vec::new(),
            stopped: false,
        };
        let mut teacher: Option<Teacher> = None;
        for (run, evictor) in evictors.iter().enumerate() {
            let mut lane = match past {
                Past::Shared => self.lane.fork(*evictor),
                _ => Lane::archiving(network, *evictor, archive.cloned())?,
            };
            let mut relay = Relay { watcher, run };
            let runner = Runner {
                tokenizer: &self.model().tokenizer,
                turn: self.turn() + 1,
                max_tokens: comparison.plan.max_tokens,
            };
            let found = runner.run(&mut lane, &tokens, teacher.as_ref(), &mut relay)?;
            let Some((result, own, whole)) = found else {
                comparison.stopped = true;
                break;
            };
            relay.tell(CompareEvent::Finished {
                run,
                result: Box::new(result.clone()),
            });
            comparison.runs.push(result);
            if !whole {
                comparison.stopped = true;
                break;
            }
            teacher = teacher.or(Some(own));
        }
        Ok(comparison)
    }

    /// What is asked, and where its runs start from.
    fn compared_turn(
        &self,
        question: Option<&str>,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Compared, TurnError> {
        let mut messages = self.messages().to_vec();
        let of_user = |m: &Message| m.role == Role::User;
        let last = messages.iter().rposition(of_user);
        let again = |question: &str| last.is_some_and(|at| asks(&messages[at].content, question));
        let mut left_out = false;
        let question = match question.filter(|question| !again(question)) {
            Some(question) => {
                let content = question.to_owned();
                let role = Role::User;
                messages.push(Message { role, content });
                let ahead = self.ahead(&messages, stopped)?;
                if ahead.how == How::Behind && self.nothing_evicted() {
                    return Ok(Compared {
                        question: question.to_owned(),
                        left_out,
                        past: Past::Shared,
                        tokens: ahead.tokens,
                    });
                }
                question.to_owned()
            }
            None => {
                let end = last.ok_or(TurnError::NoQuestion)? + 1;
                left_out = messages.len() > end;
                messages.truncate(end);
                messages.last().map_or(String::new(), |m| m.content.clone())
            }
        };
        let past = match messages.iter().any(|m| m.role == Role::Assistant) {
            true => Past::Reread,
            false => Past::Empty,
        };
        let model = self.model();
        let tokens =
            model
                .template
                .encode_chat_until(&model.tokenizer, &messages, true, stopped)?;
        Ok(Compared {
            question,
            left_out,
            past,
            tokens,
        })
    }
}

/// A turn that is to be compared.
struct Compared {
    question: String,
    /// An earlier answer to it is left out.
    left_out: bool,
    past: Past,
    /// What each run reads.
    tokens: Vec<u32>,
}

/// Whether a message is this question, perhaps behind documents.
fn asks(message: &str, question: &str) -> bool {
    let (message, question) = (message.trim(), question.trim());
    match message.strip_suffix(question) {
        Some("") => true,
        Some(before) => !question.is_empty() && before.ends_with("\n\n"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::asks;

    #[test]
    fn a_question_is_known_again_also_behind_documents() {
        assert!(asks("Who may end it?", " Who may end it?\n"));
        assert!(asks(
            "[a.txt]\na clause\n[end of a.txt]\n\nWho may?",
            "Who may?"
        ));
        assert!(!asks("Who may end it, and who may?", "who may?"));
        assert!(!asks("Who may end it?", "Who may end it"));
        assert!(!asks("a text\n\n", ""));
    }
}
