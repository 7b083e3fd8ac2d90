//! Slash commands.

/// What a person can type after `/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slash {
    Help,
    New,
    File,
    Policy,
    Budget,
    Model,
    Retry,
    Edit,
    Continue,
    Compare,
    Copy,
    Open,
    Branch,
    System,
    Set,
    Theme,
    Save,
    Export,
    Quit,
}

impl Slash {
    pub const ALL: [Slash; 19] = [
        Slash::Help,
        Slash::New,
        Slash::File,
        Slash::Policy,
        Slash::Budget,
        Slash::Model,
        Slash::Retry,
        Slash::Edit,
        Slash::Continue,
        Slash::Compare,
        Slash::Copy,
        Slash::Open,
        Slash::Branch,
        Slash::System,
        Slash::Set,
        Slash::Theme,
        Slash::Save,
        Slash::Export,
        Slash::Quit,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Slash::Help => "help",
            Slash::New => "new",
            Slash::File => "file",
            Slash::Policy => "policy",
            Slash::Budget => "budget",
            Slash::System => "system",
            Slash::Set => "set",
            Slash::Theme => "theme",
            Slash::Save => "save",
            Slash::Quit => "quit",
            Slash::Model => "model",
            Slash::Retry => "retry",
            Slash::Edit => "edit",
            Slash::Continue => "continue",
            Slash::Compare => "compare",
            Slash::Copy => "copy",
            Slash::Open => "open",
            Slash::Branch => "branch",
            Slash::Export => "export",
        }
    }

    /// What it takes, for the popup and for messages; empty where it takes nothing.
    pub fn argument(self) -> &'static str {
        match self {
            Slash::Help | Slash::New | Slash::Quit | Slash::Retry => "",
            Slash::Edit | Slash::Branch | Slash::Continue => "",
            Slash::Compare => "[POLICY …] [BUDGET] [QUESTION]",
            Slash::Model => "PATH | REPO[:FILE] | NAME",
            Slash::Copy => "[code [N] | all]",
            Slash::Open => "[NAME | WORDS]",
            Slash::Export => "[PATH.md | PATH.json]",
            Slash::File => "PATH [PAGES | LINES]",
            Slash::Policy => "NAME",
            Slash::Budget => "TOKENS | N% | SIZE",
            Slash::System => "TEXT",
            Slash::Set => "NAME VALUE",
            Slash::Theme => "[NAME]",
            Slash::Save => "[PATH]",
        }
    }

    pub fn description(self) -> &'static str {
        match self {
            Slash::Help => "keys and commands",
            Slash::New => "start over with an empty cache",
            Slash::File => "attach text, HTML or PDF; report.pdf 3-7",
            Slash::Policy => "how the cache is evicted",
            Slash::Budget => "entries kept per KV head",
            Slash::System => "system prompt, from the next /new on",
            Slash::Set => "sampling: temperature, top-p, …",
            Slash::Theme => "colours; the next one without a name",
            Slash::Save => "write the conversation as Markdown",
            Slash::Quit => "leave",
            Slash::Model => "another model; the conversation stays",
            Slash::Retry => "ask the last question again",
            Slash::Edit => "change the last question",
            Slash::Continue => "go on with a stopped answer",
            Slash::Compare => "full, uniform and adaptive side by side",
            Slash::Copy => "copy the answer or its code",
            Slash::Open => "an earlier conversation",
            Slash::Branch => "go on in a copy, keep this one",
            Slash::Export => "Markdown or JSON",
        }
    }

    /// Values worth completing.
    pub fn values(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Slash::Policy => vec![
                ("ada-snapkv", "adaptive budgets per head (Ada-KV)"),
                ("ada-reach", "adaptive budgets, our own score"),
                ("ada-pyramidkv", "adaptive heads, pyramid of layers"),
                ("snapkv", "uniform budgets"),
                ("pyramidkv", "uniform heads, pyramid of layers"),
                ("streaming", "first four and the most recent"),
                ("full", "evict nothing"),
            ],
            Slash::Budget => vec![
                ("128", "very tight"),
                ("256", "tight"),
                ("512", ""),
                ("1024", "comfortable"),
                ("25%", "a quarter of the prompt"),
            ],
            Slash::Set => vec![
                ("temperature", "0 = always the likeliest"),
                ("top-p", "0–1"),
                ("top-k", "0 = off"),
                ("min-p", "0–1, 0 = off"),
                ("repeat-penalty", "1 = off"),
                ("seed", "a whole number"),
                ("max-tokens", "longest answer"),
            ],
            Slash::Copy => vec![
                ("code", "the last code block"),
                ("all", "the whole conversation"),
            ],
            Slash::Theme => super::theme::Theme::names().map(|n| (n, "")).collect(),
            _ => Vec::new(),
        }
    }

    pub fn named(name: &str) -> Option<Slash> {
        Slash::ALL.into_iter().find(|c| c.name() == name)
    }

    /// Reads a message that is a command: `Some(Err(_))` where it looks like one but is none.
    /// Paths (`/etc/hosts is …`) and `//` are not commands.
    pub fn parse(text: &str) -> Option<Result<(Slash, &str), String>> {
        let rest = text.strip_prefix('/')?;
        let (name, argument) = match rest.split_once(char::is_whitespace) {
            Some((name, argument)) => (name, argument.trim()),
            None => (rest.trim_end(), ""),
        };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphabetic() || c == '-') {
            return None;
        }
        Some(Slash::named(name).map(|c| (c, argument)).ok_or_else(|| {
            let near = Slash::ALL
                .into_iter()
                .find(|c| c.name().starts_with(&name[..1]));
            match near {
                Some(c) => format!("there is no command /{name}; did you mean /{}?", c.name()),
                None => format!("there is no command /{name}; /help lists them"),
            }
        }))
    }
}

/// One line of the completion popup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What the input becomes.
    pub text: String,
    pub label: String,
    pub hint: String,
}

/// What could be meant by an input that begins with `/`.
pub fn completions(input: &str) -> Vec<Completion> {
    let Some(rest) = input.strip_prefix('/').filter(|r| !r.contains('\n')) else {
        return Vec::new();
    };
    match rest.split_once(' ') {
        None => Slash::ALL
            .into_iter()
            .filter(|c| c.name().starts_with(rest))
            .map(|c| Completion {
                text: match c.argument() {
                    "" => format!("/{}", c.name()),
                    _ => format!("/{} ", c.name()),
                },
                label: format!("/{} {}", c.name(), c.argument())
                    .trim_end()
                    .to_owned(),
                hint: c.description().to_owned(),
            })
            .collect(),
        Some((name, start)) => {
            let Some(command) = Slash::named(name) else {
                return Vec::new();
            };
            command
                .values()
                .into_iter()
                .filter(|(v, _)| v.starts_with(start) && *v != start)
                .map(|(v, hint)| Completion {
                    text: format!(
                        "/{name} {v}{}",
                        if command == Slash::Set { " " } else { "" }
                    ),
                    label: v.to_owned(),
                    hint: hint.to_owned(),
                })
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_what_only_looks_like_one() {
        assert_eq!(
            Slash::parse("/budget 25%"),
            Some(Ok((Slash::Budget, "25%")))
        );
        assert_eq!(Slash::parse("/etc/hosts says"), None);
        assert_eq!(Slash::parse("what is /new?"), None);
        assert!(matches!(Slash::parse("/polcy x"), Some(Err(e)) if e.contains("/policy")));
        let labels: Vec<_> = completions("/s").into_iter().map(|c| c.text).collect();
        assert_eq!(labels, ["/system ", "/set ", "/save "]);
        assert_eq!(
            completions("/policy ada-p")[0].text,
            "/policy ada-pyramidkv"
        );
    }
}
