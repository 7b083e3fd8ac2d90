//! `/set`: how tokens are drawn, one row for each setting.

use super::completion::values;
use super::slash::{Completer, Source};
use crate::engine::event::Sampling;

struct Setting {
    name: &'static str,
    hint: &'static str,
    shown: fn(&Sampling) -> String,
    /// Takes a value in; else says what the setting takes.
    set: fn(&mut Sampling, &str) -> Result<(), String>,
}

static SETTINGS: [Setting; 7] = [
    Setting {
        name: "temperature",
        hint: "0–2, 0 = always the likeliest",
        shown: |s| s.temperature.to_string(),
        set: |s, value| number(value, 0.0, 2.0).map(|x| s.temperature = x),
    },
    Setting {
        name: "top-p",
        hint: "0–1",
        shown: |s| s.top_p.to_string(),
        set: |s, value| number(value, 0.0, 1.0).map(|x| s.top_p = x),
    },
    Setting {
        name: "top-k",
        hint: "0 = off",
        shown: |s| s.top_k.to_string(),
        set: |s, value| whole(value).map(|n| s.top_k = n as usize),
    },
    Setting {
        name: "min-p",
        hint: "0–1, 0 = off",
        shown: |s| s.min_p.to_string(),
        set: |s, value| number(value, 0.0, 1.0).map(|x| s.min_p = x),
    },
    Setting {
        name: "repeat-penalty",
        hint: "1 = off",
        shown: |s| s.repeat_penalty.to_string(),
        set: |s, value| number(value, 0.1, 10.0).map(|x| s.repeat_penalty = x as f32),
    },
    Setting {
        name: "seed",
        hint: "a whole number",
        shown: |s| s.seed.to_string(),
        set: |s, value| whole(value).map(|n| s.seed = n),
    },
    Setting {
        name: "max-tokens",
        hint: "longest answer",
        shown: |s| s.max_tokens.to_string(),
        set: |s, value| whole(value).map(|n| s.max_tokens = (n as usize).max(1)),
    },
];

/// Names, and then the values that are known: the one in force and the default.
pub(super) static COMPLETER: Completer = Completer {
    source: Source::State,
    lines: |state, typed| {
        let Some((name, value)) = typed.split_once(' ') else {
            let names = SETTINGS.iter().map(|s| (s.name, s.hint));
            let mut lines = values(names, typed);
            for line in &mut lines {
                line.text.push(' ');
            }
            return lines;
        };
        let Some(setting) = SETTINGS.iter().find(|s| s.name == name) else {
            return Vec::new();
        };
        let now = (setting.shown)(&state.sampling);
        let usual = (setting.shown)(&Sampling::default());
        let mut known = vec![(now.as_str(), "as it is")];
        if usual != now {
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
};

/// `temperature 0.2` and so on; returns what is said about it.
///
/// # Errors
/// What is wrong, or all settings as they are where nothing is named.
pub(super) fn set(sampling: &mut Sampling, argument: &str) -> Result<String, String> {
    let Some((name, value)) = argument.split_once([' ', '=']) else {
        let shown = SETTINGS
            .iter()
            .map(|s| format!("{} {}", s.name, (s.shown)(sampling)));
        return Err(shown.collect::<Vec<_>>().join(" · "));
    };
    let (name, value) = (name.trim(), value.trim());
    let Some(setting) = SETTINGS.iter().find(|s| s.name == name) else {
        return Err(format!(
            "there is no setting `{name}`; Tab after /set lists them"
        ));
    };
    match (setting.set)(sampling, value) {
        Ok(()) => Ok(format!("{name} is {value} from the next turn on")),
        Err(what) => Err(format!("{name} takes {what}, not `{value}`")),
    }
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
        let mut sampling = Sampling::default();
        assert_eq!(
            set(&mut sampling, "top-k 7").as_deref(),
            Ok("top-k is 7 from the next turn on")
        );
        assert_eq!(sampling.top_k, 7);
        assert_eq!(
            set(&mut sampling, "top-p 2").unwrap_err(),
            "top-p takes a number from 0 to 1, not `2`"
        );
        assert!(set(&mut sampling, "heat 2").unwrap_err().contains("/set"));
        let shown = set(&mut sampling, "").unwrap_err();
        assert!(shown.starts_with("temperature 0.2 · top-p 0.9 · top-k 7"));
        assert!(shown.ends_with("max-tokens 1024"), "{shown}");
    }
}
