//! Variables that get their value from each other.

use super::haystack::NOISE;
use super::made::Made;
use super::needle::woven;
use super::words;
use crate::random::Random;

/// Assignments behind the first.
const HOPS: usize = 4;
/// Of the example that stands before the text.
const EXAMPLE: usize = 5;

/// One chain of assignments among `size` lines of noise, behind a short example with its answer.
pub fn make(size: usize, random: &mut Random) -> Made {
    let (example, value, names, _) = chain(EXAMPLE, 3, random);
    let shown = format!(
        "{}{}{} {}\n\n",
        example,
        question(&value),
        lead(&value),
        names.join(" ")
    );
    let (context, value, answers, at) = chain(size, 5, random);
    let from = shown.len();
    let context = format!("{shown}{context}");
    Made {
        depths: at
            .iter()
            .map(|&at| (from + at) as f64 / context.len() as f64)
            .collect(),
        context,
        question: question(&value),
        lead: lead(&value),
        answers,
    }
}

fn question(value: &str) -> String {
    format!("\nQuestion: Find all variables that are assigned the value {value} in the text above.")
}

fn lead(value: &str) -> String {
    let count = HOPS + 1;
    format!(
        " Answer: According to the chain(s) of variable assignment in the text above, {count} variables \
         are assigned the value {value}, they are:"
    )
}

/// The text, the value, the variables in their order, and where the assignments begin.
fn chain(
    size: usize,
    letters: usize,
    random: &mut Random,
) -> (String, String, Vec<String>, Vec<usize>) {
    let value = (10_000 + random.below(90_000)).to_string();
    let mut names: Vec<String> = Vec::new();
    while names.len() <= HOPS {
        let name = words::letters(letters, b'A', random);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut assignments = vec![format!("VAR {} = {value}", names[0])];
    let pairs = names.iter().zip(&names[1..]);
    assignments.extend(pairs.map(|(from, to)| format!("VAR {to} = VAR {from}")));
    let mut places: Vec<usize> = (0..=HOPS).map(|_| random.below(size + 1)).collect();
    places.sort_unstable();
    let (text, at) = woven(&vec![NOISE.to_owned(); size], &assignments, &places, "\n");
    const HEAD: &str =
        "Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n";
    let at = at.iter().map(|at| HEAD.len() + at).collect();
    (format!("{HEAD}{text}"), value, names, at)
}
