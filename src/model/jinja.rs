//! Jinja as chat templates need it, and what one may cost: templates come with models, which nobody
//! has looked at.

use chrono::{DateTime, Local};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

/// Instructions that one rendering may take, each worth 64 bytes made; a long conversation takes
/// some ten thousand. Its messages come on top: each some instructions, each byte of them as much
/// as 64 passes over it take.
const FUEL: u64 = 2_000_000;
const FUEL_OF_A_MESSAGE: u64 = 1_000;
/// Spaces that JSON may be indented by, values in it, and how deep they may be within each other.
const MAX_INDENT: usize = 8;
const MAX_VALUES: usize = 100_000;
const MAX_DEPTH: usize = 200;
/// What a rendering of so many messages, of so many bytes together, may cost.
pub fn fuel(messages: usize, bytes: usize) -> u64 {
    FUEL + FUEL_OF_A_MESSAGE * messages as u64 + bytes as u64
}

/// How the message of a refusal begins.
pub const REFUSED: &str = "\u{10fffe}";

/// Lets the clock that a template may ask stand at `now`.
pub fn set_clock(env: &mut Environment<'static>, now: DateTime<Local>) {
    env.add_function(
        "strftime_now",
        move |format: String| -> Result<String, Error> {
            use std::fmt::Write;
            let mut out = String::new();
            write!(out, "{}", now.format(&format)).map_err(|_| {
                Error::new(
                    ErrorKind::InvalidOperation,
                    "strftime_now: unknown date format",
                )
            })?;
            Ok(out)
        },
    );
}

/// A template's environment, without fuel and clock yet.
pub fn compile(source: &str) -> Result<Environment<'static>, Error> {
    let mut env = Environment::new();
    env.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()?,
    );
    env.set_unknown_method_callback(|state, value, method, args| {
        args.iter().try_for_each(check_values)?;
        match (method, value.as_str()) {
            ("rsplit" | "partition" | "rpartition", Some(text)) => parts(text, method, args),
            _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args),
        }
    });
    env.set_formatter(|out, state, value| {
        check_values(value)?;
        minijinja::escape_formatter(out, state, value)
    });
    env.add_filter("string", |value: &Value| {
        check_values(value)?;
        Ok::<String, Error>(value.to_string())
    });
    env.add_filter("pprint", |value: &Value| {
        check_values(value)?;
        Ok::<String, Error>(minijinja::filters::pprint(value))
    });
    // Texts are sequences in Python.
    env.add_test("sequence", |value: &Value| {
        value.kind() == ValueKind::Seq || value.as_str().is_some()
    });
    env.add_function(
        "raise_exception",
        |message: String| -> Result<String, Error> {
            Err(Error::new(
                ErrorKind::InvalidOperation,
                format!("{REFUSED}{message}"),
            ))
        },
    );
    // As in Hugging Face's renderer: without the HTML escapes of minijinja's own.
    env.add_filter(
        "tojson",
        |state: &State, value: &Value, indent: Option<Value>, args: Kwargs| {
            check_json(value, indent.as_ref(), &args)?;
            let json = minijinja::filters::tojson(value, indent, args)?.to_string();
            state.consume_fuel(json.len() as u64 / 4)?;
            let plain = [
                ("\\u003c", "<"),
                ("\\u003e", ">"),
                ("\\u0026", "&"),
                ("\\u0027", "'"),
            ];
            Ok::<String, Error>(
                plain
                    .iter()
                    .fold(json, |json, (from, to)| json.replace(from, to)),
            )
        },
    );
    env.add_template_owned("chat", without_generation(source))?;
    Ok(env)
}

/// Python's methods that part a text at a separator and that pycompat lacks.
fn parts(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let (by, most): (&str, Option<usize>) = minijinja::value::from_args(args)?;
    if by.is_empty() {
        return Err(Error::new(ErrorKind::InvalidOperation, "empty separator"));
    }
    let found = match method {
        "rsplit" => {
            let most = most.unwrap_or(MAX_VALUES).min(MAX_VALUES);
            let mut found: Vec<&str> = text.rsplitn(most + 1, by).collect();
            found.reverse();
            found
        }
        "partition" => match text.split_once(by) {
            Some((before, behind)) => vec![before, by, behind],
            None => vec![text, "", ""],
        },
        _ => match text.rsplit_once(by) {
            Some((before, behind)) => vec![before, by, behind],
            None => vec!["", "", text],
        },
    };
    Ok(found.into_iter().map(Value::from).collect())
}

/// `{% generation %}` marks what a model is trained to say; what stands in it is written as it is, in
/// a scope of its own.
fn without_generation(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let inside = tag[2..].split("%}").next().unwrap_or_default();
        let name = inside.trim_matches(['-', '+']).trim();
        let plain = match name {
            "generation" => inside.replace("generation", "with"),
            "endgeneration" => inside.replace("endgeneration", "endwith"),
            _ => inside.to_owned(),
        };
        out.push_str("{%");
        out.push_str(&plain);
        rest = &tag[2 + inside.len()..];
    }
    out.push_str(rest);
    out
}

/// The library pays for JSON when it is there: what may be written is looked at before.
fn check_json(value: &Value, indent: Option<&Value>, args: &Kwargs) -> Result<(), Error> {
    let given: Option<Value> = args.get("indent")?;
    let indent = indent.or(given.as_ref());
    let spaces = indent.and_then(|v| usize::try_from(v.clone()).ok());
    if spaces.is_some_and(|spaces| spaces > MAX_INDENT) {
        let text = "tojson: indented too far";
        return Err(Error::new(ErrorKind::InvalidOperation, text));
    }
    check_values(value)
}

/// The library writes lists within lists, however often they hold the same one, before it asks
/// what that costs.
fn check_values(value: &Value) -> Result<(), Error> {
    let mut left = MAX_VALUES;
    match count(value, MAX_DEPTH, &mut left) {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::OutOfFuel,
            "too many values to write, or too deep ones",
        )),
    }
}

/// Whether `value` has no more values in it than are `left`, and none deeper than `deep`; lists may
/// hold each other many times.
fn count(value: &Value, deep: usize, left: &mut usize) -> bool {
    let (Some(rest), Some(deep)) = (left.checked_sub(1), deep.checked_sub(1)) else {
        return false;
    };
    *left = rest;
    if !matches!(
        value.kind(),
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable
    ) {
        return true;
    }
    let map = value.kind() == ValueKind::Map;
    let Ok(mut items) = value.try_iter() else {
        return true;
    };
    items.all(|item| match map {
        true => value
            .get_item(&item)
            .is_ok_and(|inner| count(&inner, deep, left)),
        false => count(&item, deep, left),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::context;

    fn render(source: &str, contents: &[&str]) -> Result<String, Error> {
        let mut env = compile(source)?;
        let bytes = contents.iter().map(|content| content.len()).sum();
        env.set_fuel(Some(fuel(contents.len(), bytes)));
        let messages: Vec<Value> = contents
            .iter()
            .map(|content| context! { role => "user", content => *content })
            .collect();
        env.get_template("chat")?.render(context! { messages })
    }

    #[test]
    fn no_template_takes_all_time_or_memory() {
        let doubled = |op: &str, times: usize| {
            format!(
                "{{% set n = namespace(s='ab', l=[1]) %}}{{% for _ in range({times}) %}}\
                 {{% set n.s = {op} %}}{{% endfor %}}{{{{ n.s | length }}}}"
            )
        };
        let lists = |end: &str| {
            format!(
                "{{% set n = namespace(l=[1]) %}}{{% for _ in range(40) %}}\
                 {{% set n.l = [n.l, n.l] %}}{{% endfor %}}{end}"
            )
        };
        let hostile = [
            doubled("n.s ~ n.s", 40),
            doubled("n.s + n.s", 40),
            doubled("n.s * 1000", 12),
            doubled("n.s.replace('a', n.s)", 12),
            doubled("n.s | replace('a', n.s)", 12),
            doubled("[n.s, n.s] | join(n.s)", 40),
            doubled("n.s.join([n.s, n.s])", 40),
            doubled("'%s%s' | format(n.s, n.s)", 40),
            "{{ 'x' | indent(1000000000, true) }}".into(),
            "{{ 'a\nb' * 1000 | indent(1000000) }}".into(),
            "{{ '%1000000000d' | format(1) }}".into(),
            "{{ [1, [2]] | tojson(indent=1000000000) }}".into(),
            "{{ [1, [2]] | tojson(1000000000) }}".into(),
            lists("{{ n.l | tojson }}"),
            lists("{{ n.l }}"),
            lists("{{ n.l | string | length }}"),
            lists("{{ n.l | pprint }}"),
            lists("{{ 'x'.join([n.l]) }}"),
            "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}".into(),
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}".into(),
        ];
        for source in hostile {
            let begun = std::time::Instant::now();
            let end = render(&source, &["a"]);
            let took = begun.elapsed().as_secs_f32();
            println!("{took:.2} s {} {source}", end.is_err());
            // Of the clock, and machines are busy: without bounds some of them take for ever.
            assert!(took < 60.0, "{took} s: {source}");
            assert!(end.is_err() || end.unwrap().len() < 1 << 20, "{source}");
        }
        assert!(render("{{ [1, [2]] | tojson(indent=2) }}", &["a"]).is_ok());
        assert!(render("{{ messages | tojson }}", &["a"]).is_ok());
        // Fuel follows the conversation: a long one is rendered.
        let long = "long text\n".repeat(3_000_000);
        let source = "{% for m in messages %}{{ m.role ~ m.content | trim }}{% endfor %}";
        assert!(render(source, &[&long, &long]).is_ok());
    }

    #[test]
    fn what_is_written_may_be_so_deep_and_no_deeper() {
        for (deep, refused) in [(150, false), (1_000, true)] {
            let lists = format!(
                "{{% set n = namespace(l=[1]) %}}{{% for _ in range({deep}) %}}\
                 {{% set n.l = [n.l] %}}{{% endfor %}}"
            );
            for end in ["{{ n.l }}", "{{ n.l | tojson }}", "{{ n.l | string }}"] {
                let end = render(&format!("{lists}{end}"), &[]);
                assert_eq!(end.is_err(), refused, "{deep}: {end:?}");
            }
        }
    }
}
