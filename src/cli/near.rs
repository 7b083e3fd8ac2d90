//! A single word that is nearly a command's name: a slip, or the beginning of a chat? It is asked.

use std::io::{IsTerminal, Write};

use super::CliError;
use super::safe::shown;

/// The first question of a chat, if it may well be a command that was mistyped.
///
/// # Errors
/// Wrong usage, where a command was meant or nobody can be asked.
pub fn check(prompt: Option<&str>, commands: &clap::Command) -> Result<(), CliError> {
    let names = commands.get_subcommands().map(clap::Command::get_name);
    let Some((word, meant)) = prompt.and_then(|word| Some((word, near(word, names)?))) else {
        return Ok(());
    };
    let word = shown(word);
    let said = format!("there is no command `{word}`; did you mean `cachat {meant}`?");
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(CliError::usage(said));
    }
    let mut err = std::io::stderr().lock();
    write!(
        err,
        "{said}\nChat about \u{201c}{word}\u{201d} instead? [y/N] "
    )?;
    err.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(CliError::usage(format!("then say `cachat {meant}`"))),
    }
}

/// The name that a word misses by a letter, or by two where it is long.
fn near<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let letters = |w: &str| w.chars().all(|c| c.is_ascii_alphabetic());
    // Names are short; so is what is held against them.
    if word.len() > 32 || !letters(word) {
        return None;
    }
    let slips = if word.len() < 6 { 1 } else { 2 };
    let far = names.map(|name| (distance(word, name), name));
    let nearest = far.min_by_key(|(d, _)| *d);
    nearest
        .filter(|(d, _)| (1..=slips).contains(d))
        .map(|(_, name)| name)
}

/// Letters to insert, leave out, exchange or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let exchanged = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = exchanged.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_told_from_words() {
        let names = [
            "ask", "bench", "compare", "models", "sessions", "config", "help", "man",
        ];
        let meant = |word| near(word, names.into_iter());
        assert_eq!(meant("bencch"), Some("bench"));
        assert_eq!(meant("modles"), Some("models"));
        assert_eq!(meant("seesions"), Some("sessions"));
        assert_eq!(meant("aks"), Some("ask"));
        for word in [
            "hello",
            "bench",
            "what is a bencch",
            "why?",
            "poem",
            "",
            "Überblick",
        ] {
            assert_eq!(meant(word), None, "{word}");
        }
    }
}
