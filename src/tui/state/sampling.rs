//! `/set`: how tokens are drawn, one row for each setting.

use super::completion::values;
use super::slash::{Completer, Source, never};
use crate::engine::event::{PartialSampling, Said, Sampling};

struct Setting {
    name: &'static str,
    hint: &'static str,
    shown: fn(&Sampling) -> String,
    /// Whether a source says it.
    said: fn(&PartialSampling) -> bool,
    /// Takes a value in; else says what the setting takes.
    set: fn(&mut PartialSampling, &str) -> Result<(), String>,
}

static SETTINGS: [Setting; 11] = [
    Setting {
        name: "temperature",
        hint: "0–2, 0 = always the likeliest",
        shown: |s| s.temperature.to_string(),
        said: |s| s.temperature.is_some(),
        set: |s, value| number(value, 0.0, 2.0).map(|x| s.temperature = Some(x)),
    },
    Setting {
        name: "top-p",
        hint: "0–1",
        shown: |s| s.top_p.to_string(),
        said: |s| s.top_p.is_some(),
        set: |s, value| number(value, 0.0, 1.0).map(|x| s.top_p = Some(x)),
    },
    Setting {
        name: "top-k",
        hint: "0 = off",
        shown: |s| s.top_k.to_string(),
        said: |s| s.top_k.is_some(),
        set: |s, value| whole(value).map(|n| s.top_k = Some(n as usize)),
    },
    Setting {
        name: "min-p",
        hint: "0–1, 0 = off",
        shown: |s| s.min_p.to_string(),
        said: |s| s.min_p.is_some(),
        set: |s, value| number(value, 0.0, 1.0).map(|x| s.min_p = Some(x)),
    },
    Setting {
        name: "repeat-penalty",
        hint: "1 = off",
        shown: |s| s.repeat_penalty.to_string(),
        said: |s| s.repeat_penalty.is_some(),
        set: |s, value| number(value, 0.1, 10.0).map(|x| s.repeat_penalty = Some(x as f32)),
    },
    Setting {
        name: "repeat-last-n",
        hint: "tokens back that it looks",
        shown: |s| match s.repeat_last_n {
            usize::MAX => "all".to_owned(),
            n => n.to_string(),
        },
        said: |s| s.repeat_last_n.is_some(),
        set: |s, value| whole(value).map(|n| s.repeat_last_n = Some(n as usize)),
    },
    Setting {
        name: "seed",
        hint: "a whole number",
        shown: |s| s.seed.to_string(),
        said: |s| s.seed.is_some(),
        set: |s, value| whole(value).map(|n| s.seed = Some(n)),
    },
    Setting {
        name: "max-tokens",
        hint: "longest answer",
        shown: |s| s.max_tokens.to_string(),
        said: |s| s.max_tokens.is_some(),
        set: |s, value| whole(value).map(|n| s.max_tokens = Some((n as usize).max(1))),
    },
    Setting {
        name: "think-tokens",
        hint: "longest thought, 0 = any",
        shown: |s| s.think_tokens.to_string(),
        said: |s| s.think_tokens.is_some(),
        set: |s, value| whole(value).map(|n| s.think_tokens = Some(n as usize)),
    },
    Setting {
        name: "enable-thinking",
        hint: "on, off or auto",
        shown: |s| s.thinking.enable.name().to_owned(),
        said: |s| s.enable_thinking.is_some(),
        set: |s, value| word(value).map(|x| s.enable_thinking = Some(x)),
    },
    Setting {
        name: "reasoning-effort",
        hint: "low, medium, high or auto",
        shown: |s| s.thinking.effort.name().to_owned(),
        said: |s| s.reasoning_effort.is_some(),
        set: |s, value| word(value).map(|x| s.reasoning_effort = Some(x)),
    },
];

/// Names, and then the values that are known: the one in force, the model file's and the default.
pub(super) static COMPLETER: Completer = Completer {
    source: Source::State,
    lines: |state, typed| {
        let Some((name, value)) = typed.split_once(' ') else {
            let now = state.sampling.in_force();
            let hints = SETTINGS
                .iter()
                .map(|s| format!("{} · {}", (s.shown)(&now), s.hint));
            let hints: Vec<String> = hints.collect();
            let names = SETTINGS.iter().zip(&hints);
            let mut lines = values(names.map(|(s, hint)| (s.name, hint.as_str())), typed);
            for line in &mut lines {
                line.text.push(' ');
            }
            return lines;
        };
        let Some(setting) = SETTINGS.iter().find(|s| s.name == name) else {
            return Vec::new();
        };
        let now = (setting.shown)(&state.sampling.in_force());
        let file = (setting.shown)(&state.sampling.file.in_force());
        let usual = (setting.shown)(&Sampling::default());
        let mut known = vec![(now.as_str(), "as it is")];
        let by_file = (setting.said)(&state.sampling.file);
        if by_file && file != now {
            known.push((&file, "as the model's file says"));
        }
        if usual != now && !(by_file && usual == file) {
            known.push((&usual, "the default"));
        }
        let mut lines = values(known, value);
        for line in &mut lines {
            line.text = format!("{name} {}", line.text);
        }
        lines
    },
    // All are said where nothing is named.
    stands: |_, typed| match typed.split_once(' ') {
        Some((_, value)) => !value.is_empty(),
        None => typed.is_empty(),
    },
    now: never,
};

/// `temperature 0.2` and so on; returns what is said about it.
///
/// All settings as they are where nothing is named.
///
/// # Errors
/// What is wrong.
pub(super) fn set(said: &mut Said, argument: &str) -> Result<String, String> {
    if argument.is_empty() {
        return Ok(all(said));
    }
    let Some((name, value)) = argument.split_once([' ', '=']) else {
        return Err(match SETTINGS.iter().find(|s| s.name == argument) {
            Some(setting) => format!("/set {argument} needs a value: {}", setting.hint),
            None => format!("there is no setting `{argument}`; Tab after /set lists them"),
        });
    };
    let (name, value) = (name.trim(), value.trim());
    let Some(setting) = SETTINGS.iter().find(|s| s.name == name) else {
        return Err(format!(
            "there is no setting `{name}`; Tab after /set lists them"
        ));
    };
    match (setting.set)(&mut said.yours, value) {
        Ok(()) => Ok(format!("{name} is {value} from the next turn on")),
        Err(what) => Err(format!("{name} takes {what}, not `{value}`")),
    }
}

/// All settings as they are, by who says so.
fn all(said: &Said) -> String {
    let now = said.in_force();
    let who = |setting: &Setting| match (setting.said)(&said.yours) {
        true => "yours",
        false if (setting.said)(&said.file) => "the model file's",
        false => "the defaults",
    };
    let shown = ["yours", "the model file's", "the defaults"].map(|group| {
        let these = SETTINGS.iter().filter(|setting| who(setting) == group);
        let these = these.map(|s| format!("{} {}", s.name, (s.shown)(&now)));
        let these = these.collect::<Vec<_>>().join(" · ");
        (!these.is_empty()).then(|| format!("{group}: {these}"))
    });
    shown.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn word<T: clap::ValueEnum>(value: &str) -> Result<T, String> {
    T::from_str(value, true).map_err(|_| {
        let names = T::value_variants().iter().filter_map(T::to_possible_value);
        let names: Vec<String> = names.map(|name| name.get_name().to_owned()).collect();
        names.join(" or ")
    })
}

fn number(value: &str, from: f64, to: f64) -> Result<f64, String> {
    let parsed = value.parse::<f64>().ok();
    parsed
        .filter(|x| (from..=to).contains(x))
        .ok_or_else(|| format!("a number from {from} to {to}"))
}

fn whole(value: &str) -> Result<u64, String> {
    value.parse().map_err(|_| "a whole number".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_shown_and_refused() {
        let mut said = Said::default();
        said.file.temperature = Some(0.7);
        said.file.top_k = Some(20);
        assert_eq!(
            set(&mut said, "top-k 7").as_deref(),
            Ok("top-k is 7 from the next turn on")
        );
        assert_eq!(said.in_force().top_k, 7);
        assert_eq!(
            set(&mut said, "top-p 2").unwrap_err(),
            "top-p takes a number from 0 to 1, not `2`"
        );
        assert!(set(&mut said, "heat 2").unwrap_err().contains("/set"));
        assert_eq!(
            set(&mut said, "enable-thinking maybe").unwrap_err(),
            "enable-thinking takes auto or on or off, not `maybe`"
        );
        set(&mut said, "enable-thinking off").unwrap();
        assert_eq!(
            set(&mut said, "heat").unwrap_err(),
            "there is no setting `heat`; Tab after /set lists them"
        );
        assert_eq!(
            set(&mut said, "seed").unwrap_err(),
            "/set seed needs a value: a whole number"
        );
        assert_eq!(
            set(&mut said, "").unwrap(),
            "yours: top-k 7 · enable-thinking off; the model file's: temperature 0.7; the defaults: \
             top-p 0.9 · min-p 0 · repeat-penalty 1.1 · repeat-last-n 64 · seed 1 · max-tokens 1024 · \
             think-tokens 4096 · reasoning-effort auto"
        );
    }
}
