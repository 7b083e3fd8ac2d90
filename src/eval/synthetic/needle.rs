//! Needles in a haystack: numbers, words or UUIDs under keys.

use super::haystack::Haystack;
use super::made::Made;
use super::words;
use crate::random::Random;

/// What keys and values are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Numbers,
    Words,
    Uuids,
}

impl Kind {
    fn make(self, random: &mut Random) -> String {
        match self {
            Kind::Numbers => words::number(random),
            Kind::Words => words::pair(random),
            Kind::Uuids => words::uuid(random),
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Kind::Numbers => "numbers",
            Kind::Words => "words",
            Kind::Uuids => "uuids",
        }
    }

    fn singular(self) -> &'static str {
        self.plural().trim_end_matches('s')
    }
}

/// How many needles of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needles {
    pub keys: usize,
    /// Of each key.
    pub values: usize,
    /// Keys that are asked for.
    pub queries: usize,
    pub key: Kind,
    pub value: Kind,
    /// The haystack consists of such needles too.
    pub among_others: bool,
}

impl Needles {
    /// In `size` sentences; a single needle stands at `depth`, others anywhere.
    pub fn make(self, size: usize, depth: f64, haystack: &Haystack, random: &mut Random) -> Made {
        let mut known = std::collections::HashSet::new();
        let mut needles = Vec::new();
        let mut keyed = Vec::new();
        for _ in 0..self.keys {
            let key = different(&mut known, || self.key.make(random));
            let mut values = Vec::new();
            for _ in 0..self.values {
                let value = different(&mut known, || self.value.make(random));
                needles.push(self.sentence(&key, &value));
                values.push(value);
            }
            keyed.push((key, values));
        }
        random.shuffle(&mut needles);
        let places = match needles.len() {
            1 => vec![(depth * (size + 1) as f64) as usize],
            count => {
                let mut places: Vec<usize> = (0..count).map(|_| random.below(size + 1)).collect();
                places.sort_unstable();
                places
            }
        };
        let asked = random.sample(self.keys, self.queries);
        let sentences = match self.among_others {
            false => haystack.sentences(size, random),
            true => (0..size)
                .map(|_| {
                    let key = different(&mut known, || self.key.make(random));
                    self.sentence(&key, &self.value.make(random))
                })
                .collect(),
        };
        let between = if self.among_others {
            "\n"
        } else {
            haystack.between()
        };
        let (text, at) = woven(&sentences, &needles, &places, between);
        let (several, kind) = match self.queries * self.values {
            1 => (false, self.value.singular()),
            _ => (true, self.value.plural()),
        };
        let queries: Vec<&str> = asked.iter().map(|&i| keyed[i].0.as_str()).collect();
        let query = listed(&queries);
        let (a, are) = if several {
            ("Some", "are")
        } else {
            ("A", "is")
        };
        let all = if several { " all" } else { "" };
        let head = format!(
            "{a} special magic {kind} {are} hidden within the following text. Make sure to memorize it. \
             I will quiz you about the {kind} afterwards.\n"
        );
        Made {
            context: format!("{head}{text}"),
            question: format!(
                "\nWhat {are}{all} the special magic {kind} for {query} mentioned in the provided text?"
            ),
            lead: format!(
                " The special magic {kind} for {query} mentioned in the provided text {are}"
            ),
            answers: asked.iter().flat_map(|&i| keyed[i].1.clone()).collect(),
            depths: at
                .iter()
                .map(|&at| at as f64 / text.len().max(1) as f64)
                .collect(),
        }
    }

    fn sentence(self, key: &str, value: &str) -> String {
        let kind = self.value.plural();
        format!("One of the special magic {kind} for {key} is: {value}.")
    }
}

/// One that is not known yet. Of two words there are some thousands: where they run out, more are joined.
fn different(
    known: &mut std::collections::HashSet<String>,
    mut make: impl FnMut() -> String,
) -> String {
    const TRIES: usize = 16;
    let mut made = make();
    for again in 1.. {
        if known.insert(made.clone()) {
            break;
        }
        made = match again % TRIES {
            0 => format!("{made}-{}", make()),
            _ => make(),
        };
    }
    made
}

/// The sentences with `needles` before those at `places` (ascending), and where in bytes each begins.
pub fn woven(
    sentences: &[String],
    needles: &[String],
    places: &[usize],
    between: &str,
) -> (String, Vec<usize>) {
    let (mut text, mut at) = (String::new(), Vec::new());
    let mut waiting = needles.iter().zip(places).peekable();
    let mut push = |part: &str| -> usize {
        if !text.is_empty() {
            text.push_str(between);
        }
        text.push_str(part);
        text.len() - part.len()
    };
    for (i, sentence) in sentences.iter().enumerate() {
        while let Some((needle, _)) = waiting.next_if(|(_, place)| **place <= i) {
            at.push(push(needle));
        }
        push(sentence);
    }
    for (needle, _) in waiting {
        at.push(push(needle));
    }
    (text, at)
}

/// `a, b, and c`.
fn listed(all: &[&str]) -> String {
    match all {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [before @ .., last] => format!("{}, and {last}", before.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_different_when_pairs_of_words_run_out() {
        let mut random = Random::new(2);
        let mut known = std::collections::HashSet::new();
        let all = words::ADJECTIVES.len() * words::NOUNS.len();
        let keys: Vec<String> = (0..2 * all)
            .map(|_| different(&mut known, || words::pair(&mut random)))
            .collect();
        let distinct: std::collections::HashSet<&String> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }
}
