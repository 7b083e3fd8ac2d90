//! Slash commands, done.

use std::path::PathBuf;

use super::{Effect, State};
use crate::document::Excerpt;
use crate::engine::event::Command;
use crate::tui::command::Slash;
use crate::tui::conversation::Level;

impl State {
    pub(super) fn command(&mut self, command: Slash, argument: &str, effects: &mut Vec<Effect>) {
        match command {
            Slash::Help => self.show_help(true),
            Slash::Quit => self.leave(effects),
            Slash::New => self.start_over(effects),
            Slash::File if argument.is_empty() => {
                self.toast(
                    Level::Warning,
                    "/file needs a path: /file notes.md, or /file report.pdf 3-7",
                );
            }
            Slash::File => effects.push(Effect::Read(path(argument))),
            Slash::Policy | Slash::Budget if argument.is_empty() => self.say_policy(),
            Slash::Policy => effects.push(Effect::Engine(Command::SetPolicy {
                policy: Some(argument.to_lowercase()),
                budget: None,
            })),
            Slash::Budget => effects.push(Effect::Engine(Command::SetPolicy {
                policy: None,
                budget: Some(argument.to_owned()),
            })),
            Slash::System => {
                effects.push(Effect::Engine(Command::SetSystem(argument.to_owned())));
                self.note(
                    Level::Info,
                    match argument {
                        "" => "no system prompt from the next conversation on; /new begins one",
                        _ => "this system prompt holds from the next conversation on; /new begins one",
                    },
                );
            }
            Slash::Set => match self.set(argument) {
                Ok(said) => {
                    effects.push(Effect::Engine(Command::SetSampling(self.sampling.clone())));
                    self.note(Level::Info, said);
                }
                Err(why) => self.toast(Level::Warning, why),
            },
            Slash::Theme => self.choose_theme(argument),
            Slash::Save => effects.push(self.save(argument, false)),
            Slash::Export => effects.push(self.save(argument, argument.ends_with(".json"))),
            Slash::Copy => self.copy(argument, effects),
            Slash::Edit => self.edit(None, effects),
            Slash::Retry => self.retry(None, effects),
            Slash::Compare => self.compare(argument, effects),
            Slash::Continue => self.go_on(effects),
            Slash::Model => self.change_model(argument, effects),
            Slash::Open => self.open(argument, effects),
            Slash::Branch => self.branch(effects),
        }
    }

    fn start_over(&mut self, effects: &mut Vec<Effect>) {
        if self.phase.busy() {
            return self.toast(Level::Warning, "stop the answer first (Esc)");
        }
        self.conversation.clear();
        self.comparison = None;
        self.go_on_first = false;
        self.observed.restart();
        self.frozen = None;
        self.position = 0;
        effects.push(Effect::NewSession(Vec::new()));
        effects.push(Effect::Engine(Command::Reset));
    }

    fn say_policy(&mut self) {
        let policy = &self.observed.policy;
        let budget = match policy.budget {
            Some(n) => format!(
                "{n} entries per KV head, evicting again {} above",
                policy.slack
            ),
            None => "no bound".to_owned(),
        };
        let text = format!("{}: {budget}", policy.name);
        self.note(Level::Info, text);
    }

    /// `temperature 0.2` and so on; returns what is said about it.
    fn set(&mut self, argument: &str) -> Result<String, String> {
        let s = &mut self.sampling;
        let (name, value) = match argument.split_once([' ', '=']) {
            Some((name, value)) => (name.trim(), value.trim()),
            None => {
                return Err(format!(
                    "temperature {} · top-p {} · top-k {} · min-p {} · repeat-penalty {} · seed {} \
                     · max-tokens {}",
                    s.temperature,
                    s.top_p,
                    s.top_k,
                    s.min_p,
                    s.repeat_penalty,
                    s.seed,
                    s.max_tokens
                ));
            }
        };
        let wrong = |what: &str| format!("{name} takes {what}, not `{value}`");
        let number = |from: f64, to: f64| {
            let what = format!("a number from {from} to {to}");
            let parsed = value.parse::<f64>().ok();
            parsed
                .filter(|x| (from..=to).contains(x))
                .ok_or(wrong(&what))
        };
        let whole = || value.parse::<u64>().map_err(|_| wrong("a whole number"));
        match name {
            "temperature" => s.temperature = number(0.0, 10.0)?,
            "top-p" => s.top_p = number(0.0, 1.0)?,
            "top-k" => s.top_k = whole()? as usize,
            "min-p" => s.min_p = number(0.0, 1.0)?,
            "repeat-penalty" => s.repeat_penalty = number(0.1, 10.0)? as f32,
            "seed" => s.seed = whole()?,
            "max-tokens" => s.max_tokens = (whole()? as usize).max(1),
            _ => {
                return Err(format!(
                    "there is no setting `{name}`; Tab after /set lists them"
                ));
            }
        }
        Ok(format!("{name} is {value} from the next turn on"))
    }

    fn choose_theme(&mut self, argument: &str) {
        let at = match argument {
            "" => Some((self.theme + 1) % self.themes.len()),
            name => self.themes.iter().position(|t| t.name == name),
        };
        match at {
            Some(at) => {
                self.theme = at;
                let name = self.themes[at].name.clone();
                self.toast(Level::Info, format!("theme {name}"));
            }
            None => {
                let names: Vec<&str> = self.themes.iter().map(|t| t.name.as_str()).collect();
                let text = format!("no theme `{argument}`; there are {}", names.join(", "));
                self.note(Level::Warning, text);
            }
        }
    }

    fn save(&self, argument: &str, json: bool) -> Effect {
        let stamp: String = self.clock.chars().filter(|c| c.is_ascii_digit()).collect();
        let text = match json {
            true => serde_json::to_string_pretty(&self.transcript()).unwrap_or_default(),
            false => {
                let elements = &self.composer.elements;
                let said = self.conversation.markdown(|raw| elements.expand(raw));
                said + &self.comparison_markdown().unwrap_or_default()
            }
        };
        Effect::Save {
            path: match argument {
                "" => format!("cachat-{stamp}.md").into(),
                argument => path(argument),
            },
            text,
        }
    }
}

/// A path as people write it: quoted, or with `~` for the home folder.
fn path(text: &str) -> PathBuf {
    let text = text.trim();
    let quoted = ['"', '\''].into_iter().find_map(|q| {
        let inner = text.strip_prefix(q)?.strip_suffix(q)?;
        Some(inner)
    });
    // A part may follow the quoted name: `"my report.pdf" 3-7`.
    let parted = ['"', '\''].into_iter().find_map(|q| {
        let (inner, part) = text.strip_prefix(q)?.rsplit_once(q)?;
        let part = Excerpt::parse(part.trim().trim_start_matches('#'))?;
        Some(format!("{inner}#{part}"))
    });
    let text = parted.as_deref().or(quoted).unwrap_or(text);
    let home = || directories::UserDirs::new().map(|d| d.home_dir().to_path_buf());
    match text.strip_prefix("~/") {
        Some(rest) => home().map_or_else(|| PathBuf::from(text), |h| h.join(rest)),
        None => PathBuf::from(text),
    }
}
