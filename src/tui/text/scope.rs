//! The scopes of Sublime Text's grammars, reduced to what a theme has colours for.

use syntect::parsing::Scope;

/// What a piece of code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Plain,
    Keyword,
    String,
    /// Numbers, constants, escapes in strings.
    Number,
    Comment,
    Function,
    Type,
    /// Attributes, keys, properties.
    Name,
    Inserted,
    Deleted,
}

/// Rules: what a scope with this beginning is. The longest beginning counts.
const RULES: &[(&str, Rule)] = &[
    ("comment", Rule::Is(Class::Comment)),
    ("string", Rule::Is(Class::String)),
    ("meta.interpolation", Rule::Is(Class::Plain)),
    ("meta.embedded", Rule::Is(Class::Plain)),
    ("source.embedded", Rule::Is(Class::Plain)),
    ("constant", Rule::Is(Class::Number)),
    ("support.constant", Rule::Is(Class::Number)),
    ("keyword", Rule::Is(Class::Keyword)),
    ("keyword.operator", Rule::Word),
    ("keyword.other.unit", Rule::Is(Class::Number)),
    ("storage", Rule::Is(Class::Keyword)),
    ("variable.language", Rule::Is(Class::Keyword)),
    ("variable.function", Rule::Is(Class::Function)),
    ("variable.annotation", Rule::Is(Class::Name)),
    ("entity.name", Rule::Is(Class::Type)),
    ("entity.name.function", Rule::Is(Class::Function)),
    ("entity.name.macro", Rule::Is(Class::Function)),
    ("entity.name.constant", Rule::Is(Class::Number)),
    ("entity.name.tag", Rule::Is(Class::Keyword)),
    ("entity.name.tag.yaml", Rule::Is(Class::Name)),
    ("entity.name.tag.toml", Rule::Is(Class::Name)),
    ("entity.other.inherited-class", Rule::Is(Class::Type)),
    ("entity.other.attribute-name", Rule::Is(Class::Name)),
    ("support.type", Rule::Is(Class::Type)),
    ("support.class", Rule::Is(Class::Type)),
    ("support.function", Rule::Is(Class::Function)),
    ("support.macro", Rule::Is(Class::Function)),
    ("support.type.property-name", Rule::Is(Class::Name)),
    ("meta.annotation", Rule::Is(Class::Name)),
    ("markup.heading", Rule::Is(Class::Type)),
    ("markup.raw", Rule::Is(Class::String)),
    ("markup.inserted", Rule::Is(Class::Inserted)),
    ("markup.deleted", Rule::Is(Class::Deleted)),
    ("meta.diff.header", Rule::Is(Class::Type)),
    ("meta.diff.range", Rule::Is(Class::Name)),
    ("meta.mapping.key", Rule::Key),
    ("meta.structure.dictionary.key", Rule::Key),
];

#[derive(Clone, Copy)]
enum Rule {
    Is(Class),
    /// Operators that are words (`and`) are keywords, signs stay plain.
    Word,
    /// A string in it names something.
    Key,
}

/// The rules, longest beginning first.
pub struct Scopes(Vec<(Scope, Rule)>);

impl Default for Scopes {
    fn default() -> Self {
        let mut rules: Vec<(Scope, Rule)> = RULES
            .iter()
            .filter_map(|(name, rule)| Some((Scope::new(name).ok()?, *rule)))
            .collect();
        rules.sort_by_key(|(scope, _)| std::cmp::Reverse(scope.len()));
        Scopes(rules)
    }
}

impl Scopes {
    fn rule(&self, scope: Scope) -> Option<Rule> {
        let hit = self.0.iter().find(|(start, _)| start.is_prefix_of(scope));
        hit.map(|(_, rule)| *rule)
    }
}

/// What text under these scopes (outermost first) is: the innermost one with a rule says.
pub fn class_of(scopes: &Scopes, stack: &[Scope], text: &str) -> Class {
    let mut rules = stack.iter().rev().filter_map(|scope| scopes.rule(*scope));
    loop {
        match rules.next() {
            None => return Class::Plain,
            Some(Rule::Key) => {}
            Some(Rule::Word) if text.trim().chars().all(char::is_alphabetic) => {
                return Class::Keyword;
            }
            Some(Rule::Word) => return Class::Plain,
            Some(Rule::Is(Class::String)) if rules.any(|r| matches!(r, Rule::Key)) => {
                return Class::Name;
            }
            Some(Rule::Is(class)) => return class,
        }
    }
}
