//! Reads `config.toml`; every complaint names the file and the line.

use std::fmt::Write as _;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::error::ConfigError;
use super::partial::{ConfigFile, KEYS, Partial, SAMPLING_KEYS};

/// What the file says; nothing where the usual file does not exist.
pub fn read(file: &ConfigFile) -> Result<Partial, ConfigError> {
    let (path, required) = match file {
        ConfigFile::Named(path) => (path, true),
        ConfigFile::Usual(path) => (path, false),
    };
    match std::fs::read_to_string(path) {
        Ok(text) => parse(path, &text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => {
            Ok(Partial::default())
        }
        Err(source) => Err(ConfigError::Unreadable {
            path: path.clone(),
            source,
        }),
    }
}

/// Reads the text of a settings file; `path` only for messages.
pub fn parse(path: &Path, text: &str) -> Result<Partial, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let complain = |offset: usize, message: String| ConfigError::Invalid {
        path: path.to_path_buf(),
        line: 1 + text.as_bytes()[..offset.min(text.len())]
            .iter()
            .filter(|&&byte| byte == b'\n')
            .count(),
        message,
    };
    let from_toml = |error: toml::de::Error| {
        complain(
            error.span().map_or(0, |span| span.start),
            error.message().to_string(),
        )
    };

    // Keys first: serde's own complaint about an unknown key lists all of them and guesses none.
    let table = DeTable::parse(text).map_err(from_toml)?;
    let unknown = |key: &str, section: &str, known: &[&str]| {
        let mut message = format!("there is no setting `{section}{key}`");
        if let Some(near) = nearest(key, known) {
            let _ = write!(message, "; did you mean `{section}{near}`?");
        } else if section.is_empty() && SAMPLING_KEYS.contains(&key.replace('_', "-").as_str()) {
            let _ = write!(message, "; it belongs under [sampling]");
        } else {
            let _ = write!(message, "; there are: {}", known.join(", "));
        }
        message
    };
    for (key, value) in table.get_ref() {
        let name = key.get_ref().as_ref();
        if !KEYS.contains(&name) {
            return Err(complain(key.span().start, unknown(name, "", &KEYS)));
        }
        if let ("sampling", DeValue::Table(sampling)) = (name, value.get_ref()) {
            for key in sampling.keys() {
                let name = key.get_ref().as_ref();
                if !SAMPLING_KEYS.contains(&name) {
                    let message = unknown(name, "sampling.", &SAMPLING_KEYS);
                    return Err(complain(key.span().start, message));
                }
            }
        }
    }
    toml::from_str(text).map_err(from_toml)
}

/// The known key that was probably meant.
fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let key = key.replace('_', "-").to_ascii_lowercase();
    known
        .iter()
        .map(|name| (strsim::jaro_winkler(&key, name), *name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::values::DeviceChoice;
    use crate::policy::budget::Budget;

    fn complaint(text: &str) -> String {
        parse(Path::new("config.toml"), text)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn reads_every_kind_of_value() {
        let text = "model = \"qwen2.5-0.5b\"\ndevice = \"cuda:1\"\nbudget = \"25%\"\n\
                    [sampling]\ntemperature = 0\ntop-k = 5\n";
        let partial = parse(Path::new("c"), text).unwrap();
        assert_eq!(partial.device, Some(DeviceChoice::Cuda(1)));
        assert_eq!(partial.budget, Some(Budget::Share(0.25)));
        assert_eq!(partial.sampling.temperature, Some(0.0));
        assert_eq!(partial.sampling.top_k, Some(5));
        let number = parse(Path::new("c"), "budget = 512").unwrap();
        assert_eq!(number.budget, Some(Budget::Tokens(512)));
    }

    #[test]
    fn errors_name_the_line_and_what_was_meant() {
        let unknown = complaint("# hello\n\npolcy = \"full\"\n");
        assert!(unknown.contains("config.toml:3"), "{unknown}");
        assert!(unknown.contains("did you mean `policy`?"), "{unknown}");

        let nested = complaint("[sampling]\nseed = 1\ntemprature = 1\n");
        assert!(nested.contains(":3"), "{nested}");
        assert!(nested.contains("`sampling.temperature`?"), "{nested}");

        let misplaced = complaint("temperature = 1\n");
        assert!(misplaced.contains("[sampling]"), "{misplaced}");

        for (text, line, says) in [
            ("policy = \"full\"\nbudget = \"lots\"\n", ":2", "64MiB"),
            ("\npolicy = \"best\"\n", ":2", "ada-snapkv"),
            ("device = \"gpu\"\n", ":1", "cuda:N"),
            ("\n\nwindow = \"x\"\n", ":3", "invalid type"),
            ("window = 1\nwindow = = 2\n", ":2", ""),
        ] {
            let message = complaint(text);
            assert!(message.contains(line), "{text}: {message}");
            assert!(message.contains(says), "{text}: {message}");
        }
    }

    #[test]
    fn the_template_sets_nothing_and_names_every_key() {
        let template = crate::config::TEMPLATE;
        let partial = parse(Path::new("template"), template).unwrap();
        assert_eq!(partial, Partial::default());
        // Uncommented it is a valid file that says the defaults, so it cannot drift from them.
        let said: String = template
            .lines()
            .map(|line| line.strip_prefix("#= ").unwrap_or(line))
            .collect::<Vec<_>>()
            .join("\n");
        let partial = parse(Path::new("template"), &said).unwrap();
        let mut settings = crate::config::Settings::default();
        partial.apply(&mut settings);
        let sampling = std::mem::take(&mut settings.sampling);
        assert_eq!(sampling, crate::engine::event::Sampling::default().into());
        assert_eq!(settings, crate::config::Settings::default());
        let mut words = template
            .split_whitespace()
            .map(|w| w.trim_matches([',', '.']));
        for preset in crate::policy::Preset::ALL {
            assert!(words.any(|w| w == preset.name()), "{preset}, in its place");
        }
        for key in KEYS
            .iter()
            .chain(&SAMPLING_KEYS)
            .filter(|key| **key != "sampling")
        {
            let named = said
                .lines()
                .any(|line| line.starts_with(&format!("{key} =")));
            assert!(named, "{key}");
        }
    }
}
