//! The text that needles are hidden in.

use crate::random::Random;

use super::words::{ADJECTIVES, NOUNS};

/// RULER's noise.
pub const NOISE: &str =
    "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.";

/// Where sentences come from.
#[derive(Clone, Debug, Default)]
pub enum Haystack {
    /// Sentences of an essay about nothing, from the sample's seed.
    #[default]
    Essay,
    /// The same five sentences over and over.
    Noise,
    /// Sentences of texts, from the beginning again where they end.
    Sentences(Vec<String>),
}

/// A sentence of a text is not longer than this, in bytes.
const MOST: usize = 1000;

impl Haystack {
    /// The sentences of a text; `None` where it has none.
    pub fn of(text: &str) -> Option<Haystack> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (mut all, mut sentence) = (Vec::new(), String::new());
        for word in words {
            if !sentence.is_empty() {
                sentence.push(' ');
            }
            sentence.push_str(word);
            if word.ends_with(['.', '!', '?', '。', '！', '？']) || sentence.len() > MOST {
                all.push(std::mem::take(&mut sentence));
            }
        }
        all.extend(Some(sentence).filter(|rest| !rest.is_empty()));
        (!all.is_empty()).then_some(Haystack::Sentences(all))
    }

    /// `count` sentences. Texts begin anywhere.
    pub fn sentences(&self, count: usize, random: &mut Random) -> Vec<String> {
        match self {
            Haystack::Essay => (0..count).map(|_| sentence(random)).collect(),
            Haystack::Noise => vec![NOISE.to_owned(); count],
            Haystack::Sentences(all) => {
                let from = random.below(all.len());
                let around = all.iter().cycle().skip(from);
                around.take(count).cloned().collect()
            }
        }
    }

    /// What stands between two sentences.
    pub fn between(&self) -> &'static str {
        match self {
            Haystack::Noise => "\n",
            _ => " ",
        }
    }
}

/// A plain sentence; no two are alike for long.
fn sentence(random: &mut Random) -> String {
    let mut thing = || format!("{} {}", random.pick(ADJECTIVES), random.pick(NOUNS));
    let (a, b) = (thing(), thing());
    let who = random.pick(&[
        "People",
        "My teacher",
        "Nobody",
        "A friend of mine",
        "The committee",
        "Our neighbors",
        "Travelers",
        "The painter",
        "Most readers",
        "The engineer",
    ]);
    let what = random.pick(&[
        "thought about",
        "walked past",
        "wrote a letter about",
        "never noticed",
        "argued over",
        "remembered",
        "drew a picture of",
        "could not explain",
        "kept talking about",
        "came back to",
    ]);
    let when = random.pick(&[
        "in the morning",
        "after the rain",
        "for many years",
        "during the long winter",
        "before the market opened",
        "on the way home",
        "without much hurry",
        "once in a while",
    ]);
    match random.below(5) {
        0 => format!("{who} {what} the {a} {when}."),
        1 => format!("The {a} stood beside the {b} {when}."),
        2 => format!("It is hard to say why the {a} mattered more than the {b}."),
        3 => format!("{who} {what} the {a}, and the {b} was left alone {when}."),
        _ => format!("There was something about the {a} that reminded everyone of a {b}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_into_sentences_and_begin_again() {
        let text = "One two.  Three\nfour! Five";
        let Some(haystack) = Haystack::of(text) else {
            panic!("sentences");
        };
        let all = haystack.sentences(6, &mut Random::new(1));
        assert_eq!(all[0], all[3]);
        assert!(all.contains(&"Three four!".to_owned()));
        assert!(Haystack::of(" \n").is_none());
        let essay = Haystack::Essay.sentences(40, &mut Random::new(1));
        assert_eq!(essay, Haystack::Essay.sentences(40, &mut Random::new(1)));
        assert!(essay.iter().all(|s| s.ends_with('.')));
    }
}
