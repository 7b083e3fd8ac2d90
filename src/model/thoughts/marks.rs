//! How families of models mark their thoughts.

/// Marks around a thought at the beginning of an answer; some models mark the answer behind it too.
#[derive(Debug, PartialEq, Eq)]
pub struct Pair {
    pub open: &'static str,
    pub close: &'static str,
    /// What is put behind a thought that has to end: the closing mark as the model writes it.
    pub ending: &'static str,
    pub around: Option<(&'static str, &'static str)>,
}

const fn pair(open: &'static str, close: &'static str, ending: &'static str) -> Pair {
    Pair {
        open,
        close,
        ending,
        around: None,
    }
}

/// No opening mark is the beginning of another.
pub static PAIRS: [Pair; 9] = [
    // Qwen 3, DeepSeek R1, SmolLM3, GLM, Nemotron …; Granite marks its answer too.
    Pair {
        around: Some(("<response>", "</response>")),
        ..pair("<think>", "</think>", "\n</think>\n\n")
    },
    // Apriel 1.5.
    pair("<thinking>", "</thinking>", "\n</thinking>\n\n"),
    // Gemma 4.
    pair("<|channel>thought", "<channel|>", "\n<channel|>"),
    // Mistral's.
    pair("[THINK]", "[/THINK]", "[/THINK]"),
    // Seed-OSS.
    pair("<seed:think>", "</seed:think>", "</seed:think>"),
    // Command.
    pair("<|START_THINKING|>", "<|END_THINKING|>", "<|END_THINKING|>"),
    // MiniMax.
    pair("<mm:think>", "</mm:think>", "\n</mm:think>\n\n"),
    // Granite 3.2: plain words.
    pair(
        "Here is my thought process:",
        "Here is my response:",
        "\n\nHere is my response:\n\n",
    ),
    // Apriel 1.6.
    pair(
        "Here are my reasoning steps:",
        "[BEGIN FINAL RESPONSE]",
        "\n[BEGIN FINAL RESPONSE]\n",
    ),
];

/// What the parts of an answer in channels (gpt-oss) stand between.
pub const CHANNEL: &str = "<|channel|>";
pub const MESSAGE: &str = "<|message|>";
pub const END: &str = "<|end|>";
pub const START: &str = "<|start|>";
/// The channel of what is said to a person; the others are thoughts.
pub const FINAL: &str = "final";
/// Ends a thought in a channel.
pub const TO_FINAL: &str = "<|end|><|start|>assistant<|channel|>final<|message|>";

/// Whether a token of a vocabulary is a mark, or begins one: its text is needed where a model writes
/// it.
pub fn is_mark(token: &str) -> bool {
    let begins = |pair: &Pair| token.len() > 6 && pair.open.starts_with(token);
    PAIRS.iter().any(|pair| begins(pair) || pair.close == token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_mark_hides_another() {
        for (i, a) in PAIRS.iter().enumerate() {
            assert!(a.ending.contains(a.close));
            for (j, b) in PAIRS.iter().enumerate() {
                assert!(i == j || !b.open.starts_with(a.open), "{a:?} {b:?}");
            }
            assert!(!CHANNEL.starts_with(a.open) && !a.open.starts_with(CHANNEL));
        }
        for token in [
            "<think>",
            "</think>",
            "<|channel>",
            "<channel|>",
            "[/THINK]",
        ] {
            assert!(is_mark(token), "{token}");
        }
        for token in ["<", "<|im_end|>", "Here", "<|message|>"] {
            assert!(!is_mark(token), "{token}");
        }
    }
}
