//! Code → what its pieces are: keywords, strings, comments, …
//!
//! Grammars are Sublime Text's, read by syntect; colours are the theme's own. Highlighting goes line
//! by line and remembers where it stands, so that a block that grows costs no more for being long.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use syntect::parsing::{ParseState, ScopeStack, SyntaxReference, SyntaxSet};

use super::scope::{Class, Scopes, class_of};

/// Read (some milliseconds) when the first block of code is drawn.
static SYNTAXES: LazyLock<SyntaxSet> = LazyLock::new(two_face::syntax::extra_newlines);
static SCOPES: LazyLock<Scopes> = LazyLock::new(Scopes::default);

/// Longer lines stay plain: grammars are searched by backtracking.
const LONGEST_LINE: usize = 1_000;
/// A block is plain after so many bytes, and after so much time spent on it.
const LARGEST_BLOCK: usize = 100_000;
const MOST_TIME: Duration = Duration::from_millis(500);

/// Highlights the lines of one block, in their order.
#[derive(Clone, Debug)]
pub struct Highlighter {
    /// `None` where the block is plain.
    state: Option<(ParseState, ScopeStack)>,
    bytes: usize,
    spent: Duration,
}

impl Highlighter {
    /// For a block with this info string; unknown languages are plain.
    pub fn new(info: &str) -> Highlighter {
        let state = syntax(info).map(|s| (ParseState::new(s), ScopeStack::new()));
        Highlighter {
            state,
            bytes: 0,
            spent: Duration::ZERO,
        }
    }

    /// The next line (without its end) as pieces: where each ends, and what it is.
    pub fn line(&mut self, line: &str) -> Vec<(usize, Class)> {
        self.bytes += line.len();
        if self.bytes > LARGEST_BLOCK || self.spent > MOST_TIME {
            self.state = None;
        }
        let Some((state, stack)) = &mut self.state else {
            return vec![(line.len(), Class::Plain)];
        };
        if line.len() > LONGEST_LINE {
            return vec![(line.len(), Class::Plain)];
        }
        let begun = Instant::now();
        let text = format!("{line}\n");
        let parsed = state.parse_line(&text, &SYNTAXES);
        self.spent += begun.elapsed();
        let Ok(ops) = parsed else {
            self.state = None;
            return vec![(line.len(), Class::Plain)];
        };
        let mut pieces: Vec<(usize, Class)> = Vec::new();
        let mut from = 0;
        let mut piece = |to: usize, stack: &ScopeStack| {
            let to = to.min(line.len());
            if to > from {
                let class = class_of(&SCOPES, stack.as_slice(), &line[from..to]);
                match pieces.last_mut() {
                    Some(last) if last.1 == class => last.0 = to,
                    _ => pieces.push((to, class)),
                }
                from = to;
            }
        };
        for (at, op) in ops {
            piece(at, stack);
            if stack.apply(&op).is_err() {
                self.state = None;
                return vec![(line.len(), Class::Plain)];
            }
        }
        piece(line.len(), stack);
        pieces
    }
}

/// The grammar that an info string names.
fn syntax(info: &str) -> Option<&'static SyntaxReference> {
    let info = info.trim_start_matches(['{', '.']);
    let end = info.find(|c: char| !(c.is_alphanumeric() || matches!(c, '+' | '#' | '-' | '_')));
    let name = info[..end.unwrap_or(info.len())].to_lowercase();
    let name = match name.as_str() {
        "" | "text" | "txt" | "plain" | "plaintext" | "output" => return None,
        "shell" | "console" | "shell-session" | "shellsession" | "terminal" | "zsh" => "bash",
        "golang" => "go",
        "csharp" => "cs",
        "python3" | "py3" | "pycon" => "py",
        "node" | "mjs" | "jsx" => "js",
        "jsonc" | "json5" | "jsonl" => "json",
        "patch" => "diff",
        "docker" => "dockerfile",
        "rustlang" => "rs",
        "make" => "makefile",
        "objc" | "objectivec" => "objective-c",
        "postgres" | "postgresql" | "mysql" | "sqlite" => "sql",
        name => name,
    };
    SYNTAXES.find_syntax_by_token(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces of a block that are not plain.
    fn pieces(language: &str, code: &str) -> Vec<(String, Class)> {
        let mut highlighter = Highlighter::new(language);
        let mut all = Vec::new();
        for line in code.lines() {
            let mut from = 0;
            for (to, class) in highlighter.line(line) {
                if class != Class::Plain {
                    all.push((line[from..to].to_owned(), class));
                }
                from = to;
            }
            assert_eq!(from, line.len(), "nothing is lost");
        }
        all
    }

    fn has(language: &str, code: &str, text: &str, class: Class) {
        let found = pieces(language, code);
        let hit = found.iter().any(|(t, c)| t.trim() == text && *c == class);
        assert!(hit, "{language}: {text} as {class:?} in {found:?}");
    }

    #[test]
    fn pieces_of_code_are_what_they_are() {
        let rust = "// note\nfn main() -> Days {\n    let x = \"a\\n\"; // z\n    30\n}";
        has("rust", rust, "// note", Class::Comment);
        has("rust", rust, "fn", Class::Keyword);
        has("rust", rust, "main", Class::Function);
        has("rust", rust, "30", Class::Number);
        let python = "def f(x):\n    \"\"\"two\n    lines\"\"\"\n    return x and None";
        has("python", python, "def", Class::Keyword);
        has("python", python, "lines\"\"\"", Class::Comment);
        has("python", python, "and", Class::Keyword);
        has("python", python, "None", Class::Number);
        has("json", "{\"key\": \"value\"}", "\"key\"", Class::Name);
        has("json", "{\"key\": \"value\"}", "\"value\"", Class::String);
        has("yaml", "key: true", "key", Class::Name);
        has("toml", "[a]\nkey = 1", "key", Class::Name);
        has("html", "<a href=\"x\">y</a>", "a", Class::Keyword);
        has("html", "<a href=\"x\">y</a>", "href", Class::Name);
        has("css", "a { color: red; }", "color", Class::Name);
        has("sql", "SELECT a FROM b", "SELECT", Class::Keyword);
        has("diff", "@@ -1 +1 @@\n-old\n+new", "-old", Class::Deleted);
        has("diff", "@@ -1 +1 @@\n-old\n+new", "+new", Class::Inserted);
        has("typescript", "const x: number = 1", "const", Class::Keyword);
        has("c", "int main(void) { return 0; }", "main", Class::Function);
    }

    #[test]
    fn languages_go_by_the_names_that_models_give_them() {
        for name in "rust rs python py python3 javascript js jsx typescript ts tsx json jsonc yaml \
                     yml toml html xml css scss sh bash shell zsh console fish c h cpp \
                     c++ cs csharp c# java kotlin swift go golang ruby php perl lua r sql diff \
                     patch dockerfile docker makefile make cmake markdown md latex tex haskell \
                     scala elixir erlang clojure dart zig nix vim graphql protobuf ini nginx \
                     objective-c objc matlab julia asm svelte vue"
            .split(' ')
        {
            assert!(syntax(name).is_some(), "{name}");
        }
        for (info, name) in [
            ("rust,no_run", "Rust"),
            ("{.python}", "Python"),
            ("js:a.js", "JavaScript"),
        ] {
            assert!(
                syntax(info).is_some_and(|s| s.name.starts_with(name)),
                "{info}"
            );
        }
        for plain in ["", "text", "nosuchlanguage", "\u{1b}[31m"] {
            assert!(syntax(plain).is_none(), "{plain}");
        }
    }

    #[test]
    fn hostile_blocks_fall_back_to_plain() {
        let begun = Instant::now();
        let long = "a(".repeat(500_000);
        assert_eq!(pieces("rust", &long), []);
        let many = "<<<((([[[{{{\"\\\"'''```\n".repeat(2_000);
        for language in ["rust", "bash", "markdown", "perl", "html", "python"] {
            pieces(language, &many);
        }
        assert!(begun.elapsed() < Duration::from_secs(60));
        let mut spent = Highlighter::new("rust");
        spent.spent = MOST_TIME * 2;
        assert_eq!(spent.line("fn"), [(2, Class::Plain)]);
    }
}
