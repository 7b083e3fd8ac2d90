//! Words, numbers and names from a generator.

use crate::random::Random;

pub const ADJECTIVES: &[&str] = &[
    "amber", "ancient", "bitter", "bold", "brave", "bright", "brisk", "calm", "clever", "cold",
    "crimson", "curious", "dark", "dry", "eager", "early", "empty", "faint", "fierce", "flat",
    "fresh", "gentle", "giant", "golden", "grand", "green", "harsh", "hidden", "hollow", "humble",
    "icy", "idle", "jolly", "keen", "kind", "late", "lazy", "light", "little", "lonely", "loud",
    "lucky", "mellow", "mild", "misty", "modest", "narrow", "noble", "old", "pale", "patient",
    "plain", "polite", "proud", "quick", "quiet", "rapid", "rare", "red", "rough", "round",
    "royal", "rusty", "sandy", "shy", "silent", "silver", "slow", "small", "smooth", "soft",
    "solid", "steep", "stern", "strong", "subtle", "sunny", "swift", "tall", "tame", "thin",
    "tidy", "tiny", "vast", "vivid", "warm", "weary", "wide", "wild", "wise", "witty", "young",
];

pub const NOUNS: &[&str] = &[
    "anchor", "apple", "arrow", "badge", "basket", "beacon", "bell", "bottle", "branch", "bridge",
    "bucket", "button", "cabin", "candle", "canyon", "carpet", "castle", "cellar", "chapel",
    "cloud", "clover", "compass", "copper", "cottage", "cradle", "desert", "dragon", "drum",
    "eagle", "engine", "falcon", "feather", "fence", "field", "flame", "forest", "fountain",
    "garden", "gate", "glacier", "hammer", "harbor", "helmet", "hill", "island", "jacket",
    "kettle", "ladder", "lantern", "lemon", "library", "maple", "marble", "meadow", "mirror",
    "mountain", "needle", "oak", "ocean", "orchard", "otter", "paddle", "paper", "pebble",
    "pencil", "pepper", "pillow", "planet", "pocket", "prairie", "quarry", "rabbit", "ribbon",
    "river", "rocket", "saddle", "sail", "shadow", "shelter", "shovel", "signal", "spoon",
    "stable", "station", "summit", "table", "teapot", "thunder", "tiger", "timber", "tower",
    "tunnel", "valley", "velvet", "village", "violin", "wagon", "walnut", "whistle", "window",
];

pub const VERBS: &[&str] = &[
    "accept", "answer", "borrow", "build", "carry", "chase", "choose", "collect", "count", "cross",
    "dance", "deliver", "draw", "drift", "explore", "follow", "forget", "gather", "greet", "guard",
    "hide", "imagine", "jump", "knock", "listen", "measure", "mend", "notice", "offer", "paint",
    "plant", "polish", "pour", "promise", "remember", "repair", "rescue", "scatter", "search",
    "sing", "sketch", "stitch", "travel", "trust", "visit", "wander", "whisper", "write",
];

/// Seven digits.
pub fn number(random: &mut Random) -> String {
    (1_000_000 + random.below(9_000_000)).to_string()
}

/// `quiet-harbor`.
pub fn pair(random: &mut Random) -> String {
    format!("{}-{}", random.pick(ADJECTIVES), random.pick(NOUNS))
}

/// Of version 4, from the generator.
pub fn uuid(random: &mut Random) -> String {
    let (high, low) = (random.next_u64(), random.next_u64());
    let low = low & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000;
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

/// `count` letters from `first` on in ASCII.
pub fn letters(count: usize, first: u8, random: &mut Random) -> String {
    let letter = |_| char::from(first + random.below(26) as u8);
    (0..count).map(letter).collect()
}

/// `count` different words, in no order: those of the lists first, then ones that could be.
pub fn different(count: usize, random: &mut Random) -> Vec<String> {
    let mut all: Vec<&str> = [ADJECTIVES, NOUNS, VERBS].concat();
    random.shuffle(&mut all);
    let mut out: Vec<String> = all.into_iter().take(count).map(str::to_owned).collect();
    let mut known: std::collections::HashSet<String> = out.iter().cloned().collect();
    while out.len() < count {
        let syllables = 2 + random.below(2);
        let word: String = (0..syllables).map(|_| syllable(random)).collect();
        if known.insert(word.clone()) {
            out.push(word);
        }
    }
    random.shuffle(&mut out);
    out
}

fn syllable(random: &mut Random) -> String {
    let onset = random.pick(&[
        "b", "br", "d", "f", "g", "gr", "k", "l", "m", "n", "p", "r", "s", "st", "t", "v", "z",
    ]);
    let end = random.pick(&["a", "an", "e", "el", "i", "in", "o", "or", "u", "um"]);
    [onset, end].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_form() {
        let mut random = Random::new(3);
        assert_eq!(number(&mut random).len(), 7);
        let id = uuid(&mut random);
        let lens: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lens, [8, 4, 4, 4, 12]);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&id.as_bytes()[19]));
        let words = different(1000, &mut random);
        let distinct: std::collections::HashSet<_> = words.iter().collect();
        assert_eq!(distinct.len(), 1000);
    }
}
