//! THE COMMANDS that can be typed after `/`, a row each: the parser, the popup, the help sheet and
//! what is done all come from this table.

use super::completion::{BUDGETS, COPIES, Completer, FILES, MODELS, POLICIES, SESSIONS, THEMES};
use super::{Effect, State, sampling};
use crate::engine::event::Command;
use crate::tui::conversation::Level;

/// What is done: the state, what stands behind the command's name, and what the world is to do.
type Action = fn(&mut State, &str, &mut Vec<Effect>);

/// A row of the table.
pub struct Slash {
    pub name: &'static str,
    /// What it takes, for the popup; empty where it takes nothing.
    pub argument: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// Not while a turn runs.
    quiet: bool,
    /// Its argument may be a question: the files that it mentions are read first.
    question: bool,
    completer: Option<&'static Completer>,
    action: Action,
}

/// One row of the table: name, argument, help, what is done, and what else is to be known.
macro_rules! commands {
    ($(
        $name:literal $argument:literal $help:literal
            => $action:expr $(, $more:ident $(($with:expr))?)*;
    )*) => {
        &[$(Slash::new($name, $argument, $help, $action)$(.$more($($with)?))*),*]
    };
}

/// In the order of the help sheet.
pub static COMMANDS: &[Slash] = commands! {
    "help" "" "keys and commands" => |state, _, _| state.screen.show_help(true);
    "new" "" "start over with an empty cache" => State::start_over, quiet;
    "file" "PATH [PAGES | LINES]" "attach text, HTML or PDF; report.pdf 3-7"
        => State::attach_file, completed(&FILES);
    "policy" "NAME" "how the cache is evicted" => State::set_policy, completed(&POLICIES);
    "budget" "TOKENS | N% | SIZE" "entries kept per KV head"
        => State::set_budget, completed(&BUDGETS);
    "model" "PATH | REPO[:FILE] | NAME" "another model; the conversation stays"
        => State::change_model, completed(&MODELS);
    "retry" "" "ask the last question again" => |state, _, effects| state.retry(None, effects);
    "edit" "" "change the last question" => |state, _, effects| state.edit(None, effects);
    "continue" "" "go on with a stopped answer" => |state, _, effects| state.go_on(effects);
    "compare" "[POLICY …] [BUDGET] [QUESTION]" "full, uniform and adaptive side by side"
        => State::compare, question;
    "copy" "[code [N] | all]" "copy the answer or its code" => State::copy, completed(&COPIES);
    "open" "[NAME | WORDS]" "an earlier conversation" => State::open, quiet, completed(&SESSIONS);
    "branch" "" "go on in a copy, keep this one"
        => |state, _, effects| state.branch(effects), quiet;
    "system" "TEXT" "system prompt, from the next /new on" => set_system;
    "set" "NAME VALUE" "sampling: temperature, top-p, …"
        => set_sampling, completed(&sampling::COMPLETER);
    "theme" "[NAME]" "colours; the next one without a name" => choose_theme, completed(&THEMES);
    "save" "[PATH]" "write the conversation as Markdown"
        => |state, path, effects| effects.push(state.save(path, false));
    "export" "[PATH.md | PATH.json]" "Markdown or JSON"
        => |state, path, effects| effects.push(state.save(path, path.ends_with(".json")));
    "quit" "" "leave" => |state, _, effects| state.leave(effects);
};

impl Slash {
    const fn new(
        name: &'static str,
        argument: &'static str,
        help: &'static str,
        action: Action,
    ) -> Slash {
        Slash {
            name,
            argument,
            help,
            quiet: false,
            question: false,
            completer: None,
            action,
        }
    }

    const fn quiet(self) -> Slash {
        Slash {
            quiet: true,
            ..self
        }
    }

    const fn question(self) -> Slash {
        Slash {
            question: true,
            ..self
        }
    }

    const fn completed(self, completer: &'static Completer) -> Slash {
        Slash {
            completer: Some(completer),
            ..self
        }
    }

    pub fn named(name: &str) -> Option<&'static Slash> {
        COMMANDS.iter().find(|c| c.name == name)
    }

    /// The command that is typed whole, and what stands behind it so far.
    pub(super) fn behind(text: &str) -> Option<(&'static Slash, &str)> {
        let (name, argument) = text.strip_prefix('/')?.split_once(' ')?;
        Some((Slash::named(name)?, argument))
    }

    pub(super) fn completer(&self) -> Option<&'static Completer> {
        self.completer
    }

    /// Its argument may be a question, with files that are to be read first.
    pub(super) fn is_question(&self) -> bool {
        self.question
    }

    /// Reads a message that is a command: `Some(Err(_))` where it looks like one but is none.
    /// Paths (`/etc/hosts is …`) and `//` are not commands.
    pub fn parse(text: &str) -> Option<Result<(&'static Slash, &str), String>> {
        let rest = text.strip_prefix('/')?;
        let (name, argument) = match rest.split_once(char::is_whitespace) {
            Some((name, argument)) => (name, argument.trim()),
            None => (rest.trim_end(), ""),
        };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphabetic() || c == '-') {
            return None;
        }
        Some(Slash::named(name).map(|c| (c, argument)).ok_or_else(|| {
            let near = COMMANDS.iter().find(|c| c.name.starts_with(&name[..1]));
            match near {
                Some(c) => format!("there is no command /{name}; did you mean /{}?", c.name),
                None => format!("there is no command /{name}; /help lists them"),
            }
        }))
    }
}

impl State {
    /// Does what was typed.
    pub(super) fn command(&mut self, slash: &Slash, argument: &str, effects: &mut Vec<Effect>) {
        match slash.quiet && self.activity.phase.busy() {
            true => self.toast(Level::Warning, "stop the answer first (Esc)"),
            false => (slash.action)(self, argument, effects),
        }
    }

    /// `/new`.
    pub(super) fn start_over(&mut self, _: &str, effects: &mut Vec<Effect>) {
        self.conversation.clear();
        self.comparison = None;
        self.sending.go_on_first = false;
        self.dashboard.restart();
        self.activity.position = 0;
        effects.push(Effect::NewSession(Vec::new()));
        effects.push(Effect::Engine(Command::Reset));
    }
}

fn set_system(state: &mut State, argument: &str, effects: &mut Vec<Effect>) {
    effects.push(Effect::Engine(Command::SetSystem(argument.to_owned())));
    state.note(
        Level::Info,
        match argument {
            "" => "no system prompt from the next conversation on; /new begins one",
            _ => "this system prompt holds from the next conversation on; /new begins one",
        },
    );
}

fn set_sampling(state: &mut State, argument: &str, effects: &mut Vec<Effect>) {
    match sampling::set(&mut state.sampling, argument) {
        Ok(said) => {
            let sampling = state.sampling.clone();
            effects.push(Effect::Engine(Command::SetSampling(sampling)));
            state.note(Level::Info, said);
        }
        Err(why) => state.toast(Level::Warning, why),
    }
}

fn choose_theme(state: &mut State, argument: &str, _: &mut Vec<Effect>) {
    match state.themes.choose(argument) {
        Ok(name) => state.toast(Level::Info, format!("theme {name}")),
        Err(why) => state.note(Level::Warning, why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_what_only_looks_like_one() {
        let parsed = Slash::parse("/budget 25%").map(|p| p.map(|(c, rest)| (c.name, rest)));
        assert_eq!(parsed, Some(Ok(("budget", "25%"))));
        assert!(Slash::parse("/etc/hosts says").is_none());
        assert!(Slash::parse("what is /new?").is_none());
        assert!(matches!(Slash::parse("/polcy x"), Some(Err(e)) if e.contains("/policy")));
    }

    #[test]
    fn no_two_commands_have_one_name() {
        for (i, command) in COMMANDS.iter().enumerate() {
            let first = COMMANDS.iter().position(|c| c.name == command.name);
            assert_eq!(first, Some(i), "/{}", command.name);
        }
    }
}
