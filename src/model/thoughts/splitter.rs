//! An answer told apart from its thoughts while it comes, wherever its marks are cut.

use super::marks::{CHANNEL, END, FINAL, MESSAGE, PAIRS, Pair, START, TO_FINAL};

/// What a piece of an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Tells the others apart.
    Mark,
    Thought,
    Answer,
}

/// White space before a mark, and the name of a channel, are not longer than this.
const LONGEST: usize = 256;

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// Nothing but white space so far.
    #[default]
    Start,
    Thought(&'static Pair),
    /// Behind a thought: the answer may have a mark of its own.
    Behind(&'static Pair),
    /// What ends it, if it has a mark of its own.
    Answer(Option<&'static str>),
    /// The name of a channel.
    Header,
    /// What is said in it: a thought or the answer.
    Body(Part),
    /// Between two messages of an answer in channels.
    Between,
}

/// Takes an answer in pieces and says what their parts are. Thoughts stand at the beginning; a mark
/// further on is text.
#[derive(Clone, Debug, Default)]
pub struct Splitter {
    state: State,
    /// What may be the beginning of a mark.
    held: String,
}

impl Splitter {
    /// Goes on with `piece`; what is certain is told, in order, and together it is the whole text.
    pub fn push(&mut self, piece: &str, told: &mut impl FnMut(Part, &str)) {
        let mut text = std::mem::take(&mut self.held);
        text.push_str(piece);
        let mut rest = &text[..];
        while self.step(&mut rest, told) {}
        let told = text.len() - rest.len();
        text.drain(..told);
        self.held = text;
    }

    /// Nothing follows, or nothing yet: what was held is what it looks like.
    pub fn finish(&mut self, told: &mut impl FnMut(Part, &str)) {
        let rest = std::mem::take(&mut self.held);
        let part = match self.state {
            State::Start | State::Behind(_) | State::Answer(_) => Part::Answer,
            State::Thought(_) => Part::Thought,
            State::Body(part) => part,
            State::Header | State::Between => Part::Mark,
        };
        if !rest.is_empty() {
            told(part, &rest);
        }
    }

    /// Whether what comes next belongs to a thought, as far as is known.
    pub fn thinking(&self) -> bool {
        matches!(self.state, State::Thought(_) | State::Body(Part::Thought))
    }

    /// Whether something is held back.
    pub fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// What ends the thought that is open.
    pub fn ending(&self) -> Option<&'static str> {
        match self.state {
            State::Thought(pair) => Some(pair.ending),
            State::Body(Part::Thought) => Some(TO_FINAL),
            _ => None,
        }
    }

    /// One step through `rest`; false where more has to come.
    fn step(&mut self, rest: &mut &str, told: &mut impl FnMut(Part, &str)) -> bool {
        if rest.is_empty() {
            return false;
        }
        match self.state {
            State::Start => self.start(rest, told),
            State::Thought(pair) => self.until(rest, Part::Thought, &[pair.close], told, |_| {
                State::Behind(pair)
            }),
            State::Behind(pair) => self.behind(rest, pair, told),
            State::Answer(None) => {
                self.take(rest, rest.len(), Part::Answer, State::Answer(None), told)
            }
            State::Answer(Some(close)) => {
                self.until(rest, Part::Answer, &[close], told, |_| State::Answer(None))
            }
            State::Header => self.header(rest, told),
            State::Body(part) => self.until(rest, part, &[END, START], told, |_| State::Between),
            State::Between => self.up_to(rest, CHANNEL, told, |_| State::Header),
        }
    }

    fn start(&mut self, rest: &mut &str, told: &mut impl FnMut(Part, &str)) -> bool {
        let text = rest.trim_start();
        let white = rest.len() - text.len();
        let opens = PAIRS.iter().map(|pair| (pair.open, State::Thought(pair)));
        let mut opens = opens.chain([(CHANNEL, State::Header)]);
        let found = opens.clone().find(|(open, _)| text.starts_with(open));
        if let Some((open, state)) = found.filter(|_| white <= LONGEST) {
            return self.take(rest, white + open.len(), Part::Mark, state, told);
        }
        let may_come = white <= LONGEST && opens.any(|(open, _)| open.starts_with(text));
        if !may_come {
            self.state = State::Answer(None);
        }
        !may_come
    }

    fn behind(
        &mut self,
        rest: &mut &str,
        pair: &'static Pair,
        told: &mut impl FnMut(Part, &str),
    ) -> bool {
        let text = rest.trim_start();
        let white = rest.len() - text.len();
        match pair.around {
            Some((open, close)) if white <= LONGEST && text.starts_with(open) => self.take(
                rest,
                white + open.len(),
                Part::Mark,
                State::Answer(Some(close)),
                told,
            ),
            Some((open, _)) if white <= LONGEST && open.starts_with(text) => false,
            _ => {
                self.state = State::Answer(None);
                true
            }
        }
    }

    fn header(&mut self, rest: &mut &str, told: &mut impl FnMut(Part, &str)) -> bool {
        self.up_to(rest, MESSAGE, told, |name| {
            match name.trim_start().starts_with(FINAL) {
                true => State::Body(Part::Answer),
                false => State::Body(Part::Thought),
            }
        })
    }

    /// A mark up to `end`, which decides how it goes on; what gets too long for one is an answer.
    fn up_to(
        &mut self,
        rest: &mut &str,
        end: &str,
        told: &mut impl FnMut(Part, &str),
        next: impl FnOnce(&str) -> State,
    ) -> bool {
        let near = rest.floor_char_boundary(LONGEST + end.len());
        match rest[..near].find(end) {
            // However much comes at a time, the same text has the same parts.
            Some(at) if at <= LONGEST => {
                let state = next(&rest[..at]);
                self.take(rest, at + end.len(), Part::Mark, state, told)
            }
            None if rest.len() <= LONGEST + end.len() => false,
            _ => {
                self.state = State::Answer(None);
                true
            }
        }
    }

    /// Text of one kind up to the first of `marks`.
    fn until(
        &mut self,
        rest: &mut &str,
        part: Part,
        marks: &[&str],
        told: &mut impl FnMut(Part, &str),
        next: impl FnOnce(&str) -> State,
    ) -> bool {
        // The first of them, without a look at what is behind it.
        let begins = marks.iter().filter_map(|mark| mark.chars().next());
        let begins: Vec<char> = begins.collect();
        let found = rest.match_indices(&begins[..]).find_map(|(at, _)| {
            let mark = marks.iter().find(|mark| rest[at..].starts_with(**mark))?;
            Some((at, *mark))
        });
        if let Some((at, mark)) = found {
            self.take(rest, at, part, self.state, told);
            return self.take(rest, mark.len(), Part::Mark, next(mark), told);
        }
        let cut = marks.iter().map(|mark| beginning(rest, mark)).max();
        let sure = rest.len() - cut.unwrap_or(0);
        self.take(rest, sure, part, self.state, told);
        false
    }

    /// Tells the first `len` bytes that are held; always true.
    fn take(
        &mut self,
        rest: &mut &str,
        len: usize,
        part: Part,
        next: State,
        told: &mut impl FnMut(Part, &str),
    ) -> bool {
        if len > 0 {
            let (taken, after) = rest.split_at(len);
            told(part, taken);
            *rest = after;
        }
        self.state = next;
        true
    }
}

/// How many bytes at the end of `text` may be the beginning of `mark`.
fn beginning(text: &str, mark: &str) -> usize {
    let most = mark.len().saturating_sub(1).min(text.len());
    let fits = |&len: &usize| text.as_bytes().ends_with(&mark.as_bytes()[..len]);
    (1..=most).rev().find(fits).unwrap_or(0)
}
