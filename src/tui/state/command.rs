//! THE COMMANDS that can be typed after `/`, a row each: the parser, the popup, the help sheet and
//! what is done all come from this table.

use super::completers::{
    ARCHIVES, BUDGETS, COMPARED, COPIES, FILES, MODELS, NEW_FILES, POLICIES, SESSIONS, SYSTEMS,
    THEMES,
};
use super::slash::Slash;
use super::{Effect, State, sampling, thinking};
use crate::engine::event::Command;
use crate::tui::conversation::Level;

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
    "archive" "disk | memory | off" "where what was read is kept"
        => State::set_archive, quiet, completed(&ARCHIVES);
    "model" "[NAME | PATH | REPO[:FILE]]" "another model; the conversation stays"
        => State::change_model, completed(&MODELS);
    "retry" "" "ask the last question again" => |state, _, effects| state.retry(None, effects);
    "edit" "" "change the last question" => |state, _, _| state.edit(None);
    "continue" "" "go on with a stopped answer" => |state, _, effects| state.go_on(effects);
    "compare" "[POLICY …] [BUDGET] [QUESTION]" "full, uniform and adaptive side by side"
        => State::compare, question, completed(&COMPARED);
    "copy" "[code [N] | thoughts | all]" "copy the answer or its code" => State::copy, completed(&COPIES);
    "open" "[NAME | WORDS]" "an earlier conversation" => State::open, quiet, completed(&SESSIONS);
    "branch" "" "go on in a copy, keep this one"
        => |state, _, effects| state.branch(effects), quiet;
    "system" "[TEXT | none]" "system prompt, from the next /new on"
        => State::set_system, completed(&SYSTEMS);
    "think" "[on | off | low | medium | high]" "whether the model thinks first"
        => State::think, completed(&thinking::WAYS);
    "set" "NAME VALUE" "sampling: temperature, top-p, …"
        => set_sampling, completed(&sampling::COMPLETER);
    "theme" "[NAME]" "colours; the next one without a name" => choose_theme, completed(&THEMES);
    "save" "[--thoughts] [PATH]" "write the conversation as Markdown"
        => |state, path, effects| state.save(path, false, effects), completed(&NEW_FILES);
    "export" "[--thoughts] [PATH.md | .json]" "Markdown or JSON"
        => |state, path, effects| state.save(path, path.ends_with(".json"), effects),
        completed(&NEW_FILES);
    "quit" "" "leave" => |state, _, effects| state.leave(effects);
};

pub fn named(name: &str) -> Option<&'static Slash> {
    COMMANDS.iter().find(|c| c.name == name)
}

/// The command that is typed whole, and what stands behind it so far.
pub(super) fn behind(text: &str) -> Option<(&'static Slash, &str)> {
    let (name, argument) = text.strip_prefix('/')?.split_once(' ')?;
    Some((named(name)?, argument))
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
    Some(
        named(name)
            .map(|c| (c, argument))
            .ok_or_else(|| match near(name) {
                Some(near) => format!("there is no command /{name}; did you mean /{near}?"),
                None => format!("there is no command /{name}; /help lists them"),
            }),
    )
}

/// What other programs call what is in the table.
const ELSEWHERE: [(&str, &str); 18] = [
    ("add", "file"),
    ("attach", "file"),
    ("bye", "quit"),
    ("cancel", "help"),
    ("clear", "new"),
    ("commands", "help"),
    ("exit", "quit"),
    ("history", "open"),
    ("keys", "help"),
    ("load", "open"),
    ("q", "quit"),
    ("read", "file"),
    ("redo", "retry"),
    ("regenerate", "retry"),
    ("reset", "new"),
    ("resume", "open"),
    ("sessions", "open"),
    ("show", "model"),
];
/// Letters that a slip changes, adds or leaves out.
const SLIPS: usize = 2;

/// The command that is probably meant.
fn near(name: &str) -> Option<&'static str> {
    let elsewhere = ELSEWHERE.iter().find(|(theirs, _)| *theirs == name);
    if let Some(&(_, ours)) = elsewhere {
        return Some(ours);
    }
    let mut names = COMMANDS.iter().map(|c| c.name);
    let begun = names.clone().find(|c| c.starts_with(name));
    begun.or_else(|| {
        let slips = |c: &&str| strsim::osa_distance(name, c);
        // A short name is another one after two slips.
        let most = SLIPS.min(name.len() / 2);
        names
            .by_ref()
            .min_by_key(slips)
            .filter(|c| slips(c) <= most)
    })
}

impl State {
    /// `/new`.
    pub(super) fn start_over(&mut self, _: &str, effects: &mut Vec<Effect>) {
        self.conversation.clear();
        self.comparison = None;
        self.sending.go_on_first = false;
        self.began = None;
        self.dashboard.restart();
        self.activity.position = 0;
        self.system.renew();
        effects.push(Effect::NewSession(Vec::new()));
        effects.push(Effect::Engine(Command::Reset));
    }
}

fn set_sampling(state: &mut State, argument: &str, effects: &mut Vec<Effect>) {
    match sampling::set(&mut state.sampling, argument) {
        Ok(said) => {
            if !argument.is_empty() {
                let sampling = state.sampling.yours.clone();
                effects.push(Effect::Engine(Command::SetSampling(sampling)));
            }
            state.note(Level::Info, said);
        }
        Err(why) => state.mend("set", argument, why),
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
        let parsed = parse("/budget 25%").map(|p| p.map(|(c, rest)| (c.name, rest)));
        assert_eq!(parsed, Some(Ok(("budget", "25%"))));
        assert!(parse("/etc/hosts says").is_none());
        assert!(parse("what is /new?").is_none());
        let meant = |typed: &str| parse(typed).and_then(Result::err).unwrap_or_default();
        for (typed, ours) in [
            ("/polcy x", "mean /policy?"),
            ("/pol", "mean /policy?"),
            ("/clear", "mean /new?"),
            ("/exit", "mean /quit?"),
            // Nothing is proposed that is only a letter like it, least of all what undoes something.
            ("/restart", "/help lists them"),
            ("/xyz", "/help lists them"),
        ] {
            assert!(meant(typed).contains(ours), "{typed}: {}", meant(typed));
        }
        let ours = |(_, ours): &(&str, &str)| named(ours).is_some();
        assert!(ELSEWHERE.iter().all(ours));
        assert!(ELSEWHERE.iter().all(|(theirs, _)| named(theirs).is_none()));
    }

    #[test]
    fn no_two_commands_have_one_name() {
        for (i, command) in COMMANDS.iter().enumerate() {
            let first = COMMANDS.iter().position(|c| c.name == command.name);
            assert_eq!(first, Some(i), "/{}", command.name);
        }
    }
}
