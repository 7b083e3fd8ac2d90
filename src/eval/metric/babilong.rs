//! BABILong's `compare_answers`.

use super::pick::{mark, only};

/// Right when the answer is the one label that the first sentence names. `classes` are the task's
/// labels but for those that the question names: those are never the answer.
pub fn label(said: &str, answer: &str, classes: &[String]) -> f64 {
    let lower = said.to_lowercase();
    let first = lower.split('.').next().unwrap_or_default();
    let ends = ["<context>", "<example>"]
        .iter()
        .filter_map(|mark| first.find(mark));
    let first = &first[..ends.min().unwrap_or(first.len())];
    let answer = answer.to_lowercase();
    if classes.is_empty() {
        return mark(first.contains(&answer));
    }
    let labels: Vec<String> = classes.iter().map(|label| label.to_lowercase()).collect();
    let named = labels.iter().filter(|label| first.contains(label.as_str()));
    only(&named.map(String::as_str).collect::<Vec<_>>(), &answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_label_in_the_first_sentence() {
        let rooms = ["kitchen", "Garden"].map(str::to_owned);
        assert_eq!(label("In the Kitchen. Or garden.", "kitchen", &rooms), 1.0);
        assert_eq!(label("kitchen or garden", "kitchen", &rooms), 0.0);
        assert_eq!(label("I think. Kitchen", "kitchen", &rooms), 0.0);
        assert_eq!(label("kitchen <example> garden", "kitchen", &rooms), 1.0);
        assert_eq!(label("It is yes", "yes", &[]), 1.0);
    }
}
