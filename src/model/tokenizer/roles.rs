//! What tokens are for where files do not say, as llama.cpp knows it by their names.

use super::kind::Kind;
use crate::model::thoughts::is_mark;

/// Tokens that end an answer.
const ENDS: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<|eot|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
    // Of vocabularies for code: what ends a file, or begins the next one.
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<reponame>",
    "<|file_sep|>",
];

/// Tokens that steer although files do not mark them.
const CONTROL: &[&str] = &[
    "<|fim_prefix|>",
    "<fim-prefix>",
    "<fim_prefix>",
    "<｜fim▁begin｜>",
    "<|fim_suffix|>",
    "<fim-suffix>",
    "<fim_suffix>",
    "<｜fim▁hole｜>",
    "<|fim_middle|>",
    "<fim-middle>",
    "<fim_middle>",
    "<｜fim▁end｜>",
];

/// Tokens by which an answer says what its parts are.
const CHANNELS: &[&str] = &["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];

/// Corrects the kinds of such tokens, and of marks around thoughts, and returns those that end an answer.
pub fn assign(tokens: &[&str], kinds: &mut [Kind]) -> Vec<u32> {
    let has = |name: &str| tokens.contains(&name);
    // Where an answer has several messages, this ends one of them only.
    let calls = has("<|call|>") || has("<|calls|>");
    let parts = calls && (has("<|return|>") || has("<|flush|>"));
    let plain_s = has("<|tool_response>") || has("<|plamo:eos|>");
    let mut ends = Vec::new();
    for ((token, kind), id) in tokens.iter().zip(kinds).zip(0..) {
        if CHANNELS.contains(token) || parts && *token == "<|end|>" {
            *kind = Kind::Shown;
        } else if plain_s && *token == "</s>" {
            *kind = Kind::Normal;
        } else if ENDS.contains(token) {
            *kind = Kind::Control;
            ends.push(id);
        } else if CONTROL.contains(token) {
            *kind = Kind::Control;
        } else if *kind == Kind::Control && is_mark(token) {
            *kind = Kind::Shown;
        }
    }
    ends
}

/// Tokens that swallow the white space behind them, ascending: those of Phi-3, whose files do not
/// say so; `name` is the model's.
pub fn strips(name: &str, tokens: &[&str], kinds: &[Kind]) -> Vec<u32> {
    let name = name.to_lowercase();
    if !name.contains("phi-3") && !name.contains("phi3") {
        return Vec::new();
    }
    let special = |kind| matches!(kind, Kind::Control | Kind::UserDefined | Kind::Unknown);
    let keeps = |token| matches!(token, "<unk>" | "<s>" | "<|endoftext|>");
    let all = (0..).zip(tokens.iter().zip(kinds));
    all.filter(|(_, (token, kind))| special(**kind) && !keeps(**token))
        .map(|(id, _)| id)
        .collect()
}
