//! Answers that are picked out of what was said: classes, numbers, strings.

/// Whether `answer` is said, case aside (RULER's `string_match`).
pub fn says(said: &str, answer: &str) -> bool {
    said.to_lowercase().contains(&answer.to_lowercase())
}

/// LongBench's `classification_score`: right when the class is named, divided by how many are. Classes
/// whose name is a part of the right one's do not count, but for those that stand right behind one that
/// was dropped: the published loop steps over them.
pub fn classification(said: &str, answer: &str, classes: &[String]) -> f64 {
    let named = classes.iter().filter(|class| said.contains(class.as_str()));
    let mut named: Vec<&str> = named.map(String::as_str).collect();
    let mut at = 0;
    while at < named.len() {
        let name = named[at];
        if answer.contains(name) && name != answer {
            let first = named.iter().position(|&other| other == name);
            named.remove(first.unwrap_or(at));
        }
        at += 1;
    }
    match named.contains(&answer) {
        true => 1.0 / named.len() as f64,
        false => 0.0,
    }
}

/// Runs of digits.
fn numbers(text: &str) -> Vec<&str> {
    let runs = text.split(|c: char| !c.is_ascii_digit());
    runs.filter(|run| !run.is_empty()).collect()
}

/// LongBench's `count_score`: the share of the numbers said that are the answer.
pub fn count(said: &str, answer: &str) -> f64 {
    let numbers = numbers(said);
    let right = numbers.iter().filter(|&&number| number == answer).count();
    right as f64 / numbers.len().max(1) as f64
}

/// LongBench's `retrieval_score`: [`count`] of the number behind `mark` in the answer.
pub fn retrieval(said: &str, answer: &str, mark: &str) -> f64 {
    paragraph(answer, mark).map_or(0.0, |id| count(said, id))
}

/// The first number that stands right behind `mark`.
fn paragraph<'a>(answer: &'a str, mark: &str) -> Option<&'a str> {
    let behind = answer
        .match_indices(mark)
        .map(|(at, _)| &answer[at + mark.len()..]);
    let mut ids = behind.map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit());
        &rest[..end.unwrap_or(rest.len())]
    });
    ids.find(|id| !id.is_empty())
}

/// A score that is all or nothing.
pub fn mark(right: bool) -> f64 {
    f64::from(u8::from(right))
}

/// All or nothing, for those who count labels.
pub fn only(found: &[&str], answer: &str) -> f64 {
    mark(found == [answer])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(all: &[&str]) -> Vec<String> {
        all.iter().map(|&class| class.to_owned()).collect()
    }

    #[test]
    fn a_class_is_shared_with_the_others_named() {
        let all = classes(&["Location", "Other location", "City", "Date"]);
        let of = |said: &str, answer: &str| classification(said, answer, &all);
        assert_eq!(of("City", "City"), 1.0);
        assert_eq!(of("City or Date", "City"), 0.5);
        assert_eq!(of("Location", "City"), 0.0);
        assert_eq!(of("", "City"), 0.0);
    }

    /// Python's loop removes from the list that it walks over.
    #[test]
    fn parts_of_the_right_class_are_dropped_one_in_two() {
        let all = classes(&["a", "ab", "abc"]);
        assert_eq!(classification("abc", "abc", &all), 0.5);
        let all = classes(&["ab", "abc"]);
        assert_eq!(classification("abc", "abc", &all), 1.0);
    }

    #[test]
    fn numbers_are_counted() {
        assert_eq!(count("There are 7, or 17, or 7.", "7"), 2.0 / 3.0);
        assert_eq!(count("none", "7"), 0.0);
        assert_eq!(retrieval("Paragraph 12", "Paragraph 12", "Paragraph "), 1.0);
        assert_eq!(retrieval("12 and 3", "Paragraph 3", "Paragraph "), 0.5);
        assert_eq!(retrieval("段落3", "段落3", "段落"), 1.0);
        assert_eq!(retrieval("3", "three", "Paragraph "), 0.0);
    }
}
