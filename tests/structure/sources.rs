//! The sources as text: which file takes what from which.
//!
//! No compiler is asked. Comments and strings are dropped, items under `#[cfg(test)]` too, and every path
//! (`use a::b`, `a::b::f(…)`) is followed through the modules and their re-exports to the file that defines it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::tokens::{is_word, tokens};

/// Module path below the crate: `["tui", "panel"]`.
type Module = Vec<String>;

/// Re-exports of re-exports are followed so far; an item that a file imports under its own name ends here.
const HOPS: usize = 16;

/// One file, without its tests.
#[derive(Default)]
struct Source {
    /// From the repository's root, with `/`.
    path: String,
    children: BTreeSet<String>,
    /// What names stand for, by `use`.
    names: BTreeMap<String, Vec<String>>,
    /// The names among them that are handed on, `pub use`.
    handed_on: BTreeSet<String>,
    /// Words of the code outside `use`.
    words: BTreeSet<String>,
    /// Modules whose names are all taken, `use a::*`.
    globs: Vec<Vec<String>>,
    /// Paths in the code, of two segments or more.
    paths: BTreeSet<Vec<String>>,
    /// Names that the file defines.
    defined: BTreeSet<String>,
    /// Types that it has an `impl` of.
    implemented: BTreeSet<Vec<String>>,
}

/// All files of a crate's `src/` but those that are tests.
#[derive(Default)]
pub struct Sources(BTreeMap<Module, Source>);

impl Sources {
    /// The crate in `root/src`, from `lib.rs` on.
    pub fn read(root: &Path) -> Sources {
        Sources::follow(&|path| std::fs::read_to_string(root.join(path)).ok())
    }

    /// The same, over any store of files.
    pub fn follow(file: &dyn Fn(&str) -> Option<String>) -> Sources {
        let mut all = Sources::default();
        let mut waiting: Vec<Module> = vec![Vec::new()];
        while let Some(module) = waiting.pop() {
            let (path, text) = find(&module, file)
                .unwrap_or_else(|| panic!("the module {} has no file", module.join("::")));
            let source = Source::parse(path, &text);
            let child = |name: &String| [&module[..], std::slice::from_ref(name)].concat();
            waiting.extend(source.children.iter().map(child));
            all.0.insert(module, source);
        }
        all
    }

    /// Who takes something from whom, file → files; nobody from itself.
    pub fn imports(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let of = |(module, source): (&Module, &'_ Source)| {
            let names = source.names.iter().filter(|(name, _)| source.needs(name));
            let named = names.map(|(_, path)| path).filter(|path| path.len() > 1);
            let taken = named
                .chain(&source.paths)
                .filter_map(|path| self.definer(module, path));
            let whole = source.globs.iter().filter_map(|path| {
                let (module, rest) = self.walk(module, path, HOPS)?;
                rest.is_empty().then(|| self.0[&module].path.as_str())
            });
            let parents = self.continued(module, source);
            let others = |path: &&str| *path != source.path && !parents.contains(path);
            taken.chain(whole).filter(others).collect()
        };
        let all = self.0.iter();
        all.map(|entry| (entry.1.path.as_str(), of(entry)))
            .collect()
    }

    /// The files above `module` of whose types it is a further part: `impl State` in a file below
    /// the one that defines `State` is not an import, but one module in several files.
    fn continued(&self, module: &Module, source: &Source) -> BTreeSet<&str> {
        let above: Vec<&str> = (0..module.len())
            .map(|depth| self.0[&module[..depth]].path.as_str())
            .collect();
        let types = source.implemented.iter();
        let files = types.filter_map(|path| self.definer(module, path));
        files.filter(|path| above.contains(path)).collect()
    }

    /// The file that defines what `path` names in `module`; none for a module (who uses it names more than the
    /// module), and for what is not this crate's.
    fn definer(&self, module: &Module, path: &[String]) -> Option<&str> {
        let (module, rest) = self.walk(module, path, HOPS)?;
        (!rest.is_empty()).then(|| self.0[&module].path.as_str())
    }

    /// The module in which `path` ends, seen from `module`, and what is left behind it.
    fn walk(&self, module: &Module, path: &[String], hops: usize) -> Option<(Module, Vec<String>)> {
        let (first, rest) = path.split_first()?;
        let hops = hops.checked_sub(1)?;
        match first.as_str() {
            "crate" => self.enter(Vec::new(), rest, hops),
            "self" => self.enter(module.clone(), rest, hops),
            "super" => {
                let parent = module.split_last()?.1.to_vec();
                match rest.first().is_some_and(|next| next == "super") {
                    true => self.walk(&parent, rest, hops),
                    false => self.enter(parent, rest, hops),
                }
            }
            name => {
                let here = &self.0[module];
                let known = here.children.contains(name) || here.names.contains_key(name);
                known.then(|| self.enter(module.clone(), path, hops))?
            }
        }
    }

    fn enter(&self, module: Module, rest: &[String], hops: usize) -> Option<(Module, Vec<String>)> {
        let Some((name, further)) = rest.split_first() else {
            return Some((module, Vec::new()));
        };
        let here = &self.0[&module];
        if here.children.contains(name) {
            let inner = [module, vec![name.clone()]].concat();
            return self.enter(inner, further, hops);
        }
        if let Some(path) = here.names.get(name) {
            let path = [&path[..], further].concat();
            // What is imported from outside the crate is nobody's.
            return self.walk(&module, &path, hops);
        }
        for glob in &here.globs {
            if let Some((inner, left)) = self.walk(&module, glob, hops)
                && left.is_empty()
                && self.0[&inner].defined.contains(name)
            {
                return Some((inner, rest.to_vec()));
            }
        }
        Some((module, rest.to_vec()))
    }
}

/// A module's file and its text.
fn find(module: &Module, file: &dyn Fn(&str) -> Option<String>) -> Option<(String, String)> {
    let candidates = match module.is_empty() {
        true => vec!["src/lib.rs".to_owned()],
        false => {
            let stem = format!("src/{}", module.join("/"));
            vec![format!("{stem}.rs"), format!("{stem}/mod.rs")]
        }
    };
    let found = candidates
        .into_iter()
        .find_map(|path| Some((file(&path)?, path)));
    found.map(|(text, path)| (path, text))
}

impl Source {
    fn parse(path: String, text: &str) -> Source {
        let tokens = without_tests(&tokens(text));
        let mut source = Source {
            path,
            ..Source::default()
        };
        let mut at = 0;
        while at < tokens.len() {
            at += match tokens[at].as_str() {
                "use" => {
                    let public = at > 0 && [")", "pub"].contains(&tokens[at - 1].as_str());
                    source.take_use(&tokens[at..], public)
                }
                "mod" => source.take_module(&tokens[at..]),
                _ => {
                    if tokens[at] == "impl" {
                        source.implemented.extend(implemented(&tokens[at + 1..]));
                    }
                    source.take_path(&tokens, at)
                }
            };
        }
        source
    }

    /// Whether the code itself uses a name; what is only handed on is its users'.
    fn needs(&self, name: &str) -> bool {
        !self.handed_on.contains(name) || self.words.contains(name)
    }

    /// `use a::{b, c as d};`: its tokens, counted.
    fn take_use(&mut self, tokens: &[String], public: bool) -> usize {
        let end = tokens
            .iter()
            .position(|token| token == ";")
            .unwrap_or(tokens.len());
        let mut tree = BTreeMap::new();
        self.tree(&tokens[1..end], Vec::new(), &mut tree);
        if public {
            self.handed_on.extend(tree.keys().cloned());
        }
        self.names.extend(tree);
        end + 1
    }

    /// A tree of `use`, behind `prefix`.
    fn tree(
        &mut self,
        tokens: &[String],
        mut prefix: Vec<String>,
        names: &mut BTreeMap<String, Vec<String>>,
    ) {
        let mut at = 0;
        while at < tokens.len() {
            match tokens[at].as_str() {
                "::" => {}
                "*" => return self.globs.push(prefix),
                "as" => {
                    let _ = names.insert(tokens[at + 1].clone(), prefix);
                    return;
                }
                "{" => {
                    let inside = &tokens[at + 1..tokens.len() - 1];
                    for part in split(inside) {
                        self.tree(part, prefix.clone(), names);
                    }
                    return;
                }
                name => prefix.push(name.to_owned()),
            }
            at += 1;
        }
        // `use a::{self}` names the module.
        if prefix.len() > 1 && prefix.last().is_some_and(|last| last == "self") {
            prefix.pop();
        }
        if let Some(name) = prefix.last().cloned() {
            names.insert(name, prefix);
        }
    }

    fn take_module(&mut self, tokens: &[String]) -> usize {
        match tokens.get(2).map(String::as_str) {
            Some(";") => {
                self.children.insert(tokens[1].clone());
            }
            Some("{") => panic!("{}: a module inside a file cannot be read here", self.path),
            _ => {}
        }
        2
    }

    /// A path or a definition, if one begins here: its tokens, counted.
    fn take_path(&mut self, tokens: &[String], at: usize) -> usize {
        let word = |n: usize| tokens.get(n).filter(|token| is_word(token));
        let Some(first) = word(at) else { return 1 };
        self.words.insert(first.clone());
        let defines = [
            "fn", "struct", "enum", "trait", "type", "const", "static", "union",
        ];
        if defines.contains(&first.as_str())
            && let Some(name) = word(at + 1)
        {
            self.defined.insert(name.clone());
        }
        let mut path = vec![first.clone()];
        let mut end = at + 1;
        while tokens.get(end).is_some_and(|token| token == "::")
            && let Some(next) = word(end + 1)
        {
            path.push(next.clone());
            end += 2;
        }
        let inside = at > 0 && [".", "::"].contains(&tokens[at - 1].as_str());
        if path.len() > 1 && !inside {
            self.paths.insert(path);
        }
        end - at
    }
}

/// The type that an `impl` is of: behind its `for`, or behind its parameters.
fn implemented(tokens: &[String]) -> Option<Vec<String>> {
    let head = tokens.split(|token| token == "{").next()?;
    let head = match head.iter().position(|token| token == "for") {
        Some(at) => &head[at + 1..],
        None => head,
    };
    let mut depth = 0;
    let begin = head.iter().position(|token| {
        match token.as_str() {
            "<" => depth += 1,
            ">" => depth -= 1,
            _ => {}
        }
        depth == 0 && is_word(token)
    })?;
    let path = head[begin..].iter().filter(|token| *token != "::");
    let path: Vec<String> = path.take_while(|token| is_word(token)).cloned().collect();
    (!path.is_empty()).then_some(path)
}

/// What stands between commas that no brace encloses.
fn split(tokens: &[String]) -> Vec<&[String]> {
    let mut depth = 0;
    let parts = tokens.split(|token| {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        depth == 0 && token == ","
    });
    parts.filter(|part| !part.is_empty()).collect()
}

/// The tokens without what stands under `#[cfg(test)]` or `#[cfg(all(test, …))]`.
fn without_tests(tokens: &[String]) -> Vec<String> {
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let attribute = tokens[at] == "#" && tokens.get(at + 1).is_some_and(|token| token == "[");
        if !attribute {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let end = at + 1 + closed(&tokens[at + 1..]);
        let said = &tokens[at + 2..end - 1];
        let is_test = said[0] == "cfg" && said.iter().any(|token| token == "test");
        let not = said.iter().any(|token| token == "not");
        at = match is_test && !not {
            true => end + item(&tokens[end..]),
            false => end,
        };
    }
    kept
}

/// How many tokens an item has: up to its `;`, or to the end of its braces.
fn item(tokens: &[String]) -> usize {
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            ";" => return at + 1,
            "{" => return at + closed(&tokens[at..]),
            "(" | "[" => at += closed(&tokens[at..]),
            _ => at += 1,
        }
    }
    at
}

/// How many tokens stand in the brackets that open here, with both brackets.
fn closed(tokens: &[String]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}
