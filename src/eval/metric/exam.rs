//! L-Eval's exams (`auto_eval.py`, `em.py`).

use super::pick::mark;
use super::words::normalised;

fn is_letter(c: char) -> bool {
    matches!(c, 'A'..='D')
}

/// Multiple choice. Of one letter, the first from A to D; of `several`, those at the head, or all that
/// stand alone; a part of the right ones counts a quarter. Who names none has said A, as published.
pub fn choice(said: &str, answer: &str, several: bool) -> f64 {
    let right = answer.split_whitespace().next().unwrap_or_default();
    let right: String = right.chars().filter(|c| is_letter(*c)).collect();
    let right = if right.is_empty() {
        "A".to_owned()
    } else {
        right
    };
    let first = said.chars().find(|c| is_letter(*c));
    let said = match several {
        false => first.map_or_else(|| "A".to_owned(), String::from),
        true => letters(said),
    };
    if said == right {
        return 1.0;
    }
    match said.chars().all(|c| right.contains(c)) {
        true => 0.25,
        false => 0.0,
    }
}

fn sorted(letters: impl Iterator<Item = char>) -> String {
    let mut letters: Vec<char> = letters.collect();
    letters.sort_unstable();
    letters.dedup();
    letters.into_iter().collect()
}

fn letters(said: &str) -> String {
    let head: String = said.chars().take_while(|c| is_letter(*c)).collect();
    if head.chars().count() > 1 {
        return sorted(head.chars());
    }
    let rest = &said[head.len()..];
    let rest = rest.split("Question").next().unwrap_or_default();
    let behind = |(i, c): (usize, char)| {
        let next = rest[i + c.len_utf8()..].chars().next()?;
        (is_letter(c) && (next.is_whitespace() || ".)".contains(next))).then_some(c)
    };
    let found = sorted(head.chars().chain(rest.char_indices().filter_map(behind)));
    if found.is_empty() { "A".into() } else { found }
}

/// `process_math` of both: the digits up to the decimal point.
pub fn number(said: &str, answer: &str) -> f64 {
    exam(&digits(said), &digits(answer))
}

fn digits(text: &str) -> String {
    const MARK: &str = "The answer is ";
    let marked = text.find(MARK).map(|at| &text[at + MARK.len()..]);
    let marked = marked.and_then(|rest| {
        let word = rest.split(char::is_whitespace).next();
        word.filter(|word| !word.is_empty())
    });
    let word = marked.or_else(|| {
        let head = text.split("\n\n").next()?;
        let mut words = head.rsplit(' ');
        words.find(|word| word.contains(|c: char| c.is_ascii_digit()))
    });
    let whole = word
        .unwrap_or_default()
        .split('.')
        .next()
        .unwrap_or_default();
    whole.chars().filter(char::is_ascii_digit).collect()
}

/// What a program prints, with some words around it.
pub fn printed(said: &str, answer: &str) -> f64 {
    let words = answer.split_whitespace().count() + 3;
    let mut plain = plain_code(said);
    for filler in [
        "will be",
        "of the code",
        "is",
        "would be",
        "the value of",
        "the result of",
        "printed",
    ] {
        plain = plain.replace(filler, "");
    }
    const MARK: &str = "the final output";
    let part: Vec<&str> = match plain.rfind(MARK) {
        Some(at) => {
            let all = plain[at + MARK.len()..].split_whitespace();
            all.take(words).collect()
        }
        None => {
            let all: Vec<&str> = plain.split_whitespace().collect();
            all[all.len().saturating_sub(words)..].to_vec()
        }
    };
    exam(&part.join(" "), &plain_code(answer))
}

fn plain_code(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut plain = words.join(" ").replace([',', '\'', '\\'], "");
    for (old, new) in [(".0", ""), ("] [", "]["), ("[ [", "[["), ("] ]", "]]")] {
        plain = plain.replace(old, new);
    }
    plain
}

/// True or false by the document; what a reference says of the real world (`[fact: …]`) is not asked.
pub fn truth(said: &str, answer: &str) -> f64 {
    let first = |text: &str| {
        let lower = text.to_lowercase();
        let head = lower.split("[fact:").next().unwrap_or_default();
        let mut words = head.split_whitespace();
        words.find_map(
            |word| match (word.contains("true"), word.contains("false")) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            },
        )
    };
    mark(first(said).is_some() && first(said) == first(answer))
}

/// `exact_match_score` of what is no letter: equal numbers, or the answer within the first line.
pub fn exam(said: &str, answer: &str) -> f64 {
    if answer.trim().is_empty() {
        return mark(normalised(said).is_empty());
    }
    let value = |text: &str| text.trim().parse::<f64>().ok();
    if let (Some(said), Some(answer)) = (value(said), value(answer)) {
        return mark(said == answer);
    }
    let mut lines = said.split('\n');
    let line = lines.find(|line| line.chars().count() > 1).unwrap_or(said);
    let close = |text: &str| text.to_lowercase().replace(' ', "");
    mark(close(line).contains(&close(answer)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_picked_as_published() {
        assert_eq!(choice("The answer is B.", "B", false), 1.0);
        assert_eq!(choice("C", "B. because", false), 0.0);
        assert_eq!(choice("none", "A", false), 1.0);
        assert_eq!(choice("BA", "AB", true), 1.0);
        assert_eq!(choice("A) and B)", "AB", true), 1.0);
        assert_eq!(choice("A.", "AB", true), 0.25);
        assert_eq!(choice("ABC", "AB", true), 0.0);
    }

    #[test]
    fn numbers_texts_and_truths() {
        assert_eq!(
            number(
                "So we get 3.\nThe answer is 1,234.0 .",
                "The answer is 1234"
            ),
            1.0
        );
        assert_eq!(number("It is 12 apples", "The answer is 12"), 1.0);
        assert_eq!(number("It is 12", "The answer is 13"), 0.0);
        assert_eq!(exam("3.0", "3"), 1.0);
        assert_eq!(
            exam("\nThe topic was Rock Climbing.\nno", "rock climbing"),
            1.0
        );
        assert_eq!(truth("True, since", "True [fact: False]"), 1.0);
        assert_eq!(truth("I do not know", "False [fact: False]"), 0.0);
        assert_eq!(printed("the final output will be [1, 2]", "[1, 2]"), 1.0);
        assert_eq!(printed("I guess 7", "[1, 2]"), 0.0);
    }
}
