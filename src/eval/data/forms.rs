//! The forms that rows come in.

use super::prompts::Prompts;
use super::row::{Row, Wrong};
use super::sample::{Question, Sample};
use crate::eval::metric::{Metric, Rule, table};

/// Tokens of an answer in a form of one's own, unless the row says.
const PLAIN_TOKENS: usize = 64;

/// The row as whatever its fields say it is; its set is `stem` unless it says.
pub fn sample(row: &Row, stem: &str, prompts: &Prompts) -> Result<Sample, Wrong> {
    if row.has(&["instructions", "outputs"]) {
        leval(row, stem)
    } else if row.has(&["context", "questions"]) {
        plain(row, stem)
    } else if row.has(&["context", "answers"]) || row.has(&["dataset", "all_classes"]) {
        longbench(row, stem, prompts)
    } else if row.has(&["input", "outputs"]) {
        ruler(row, stem)
    } else if row.has(&["question", "target"]) {
        babilong(row, stem)
    } else {
        Err(format!(
            "it is none of LongBench (input, context, answers), RULER (input, outputs), L-Eval (input, \
             instructions, outputs), BABILong (input, question, target) and the plain form (context, \
             questions, answers); its fields: {}",
            row.fields()
        ))
    }
}

fn of(task: &str, dataset: &str, context: String, questions: Vec<Question>) -> Sample {
    Sample {
        id: String::new(),
        task: task.into(),
        dataset: dataset.into(),
        context,
        questions,
        length: None,
        depths: Vec::new(),
    }
}

fn longbench(row: &Row, stem: &str, prompts: &Prompts) -> Result<Sample, Wrong> {
    let dataset = row.text_or("dataset", stem)?;
    let mut rule = table::longbench(dataset).ok_or_else(|| {
        format!("`dataset` is \"{dataset}\", which is none of LongBench's: it has no metric")
    })?;
    rule.max_tokens = prompts.max_tokens(dataset).unwrap_or(rule.max_tokens);
    row.text("context")?;
    row.text("input")?;
    let (context, text) = prompts.split(dataset, rule.metric, row)?;
    let classes = match rule.metric {
        Metric::Classification => row.texts("all_classes")?,
        _ => Vec::new(),
    };
    let question = Question {
        text,
        lead: String::new(),
        answers: row.texts("answers")?,
        classes,
        rule,
    };
    Ok(of("longbench", dataset, context, vec![question]))
}

/// RULER's rows hold the whole prompt: the question is its last line. The beginning of the answer stands
/// in a field of its own, or at the end of the question.
fn ruler(row: &Row, stem: &str) -> Result<Sample, Wrong> {
    let input = row.text("input")?;
    let body = input.trim_end();
    let marks = ["\n", " Question: ", " What "];
    let at = marks.iter().find_map(|mark| body.rfind(mark)).unwrap_or(0);
    let (context, text) = input.split_at(at);
    let question = Question {
        text: text.into(),
        lead: row.text_or("answer_prefix", "")?.into(),
        answers: row.texts("outputs")?,
        classes: Vec::new(),
        rule: table::ruler(row.text_or("task", stem)?),
    };
    let dataset = row.text_or("dataset", row.text_or("task", stem)?)?;
    Ok(of("ruler", dataset, context.into(), vec![question]))
}

/// One document, many questions.
fn leval(row: &Row, stem: &str) -> Result<Sample, Wrong> {
    let document = row.text("input")?;
    let asked = row.texts("instructions")?;
    let outputs = row.lists("outputs", asked.len())?;
    let source = row.text_or("source", stem)?;
    let evaluation = row.text("evaluation")?;
    // Either may say more than the other (`gsm8k` in `gsm100.jsonl`).
    let kind = format!("{stem} {source}").to_lowercase();
    let examples = ["gsm", "codeu", "topic"]
        .iter()
        .any(|name| kind.contains(name));
    let questions = asked.into_iter().zip(outputs).map(|(asked, answers)| {
        let reference = answers.first().map_or("", String::as_str);
        let rule = table::leval(&kind, evaluation, reference);
        let text = match (examples, rule.metric) {
            (true, _) => format!("\n\n{asked}"),
            (_, Metric::Lcs) => format!(
                "\n\nInstruction: {asked}\nAnswer this question with {} words.\nAnswer:",
                reference.split_whitespace().count()
            ),
            _ => format!(
                "\n\nQuestion: {asked}\nGive the answer directly, without any explanation.\nAnswer:"
            ),
        };
        Question {
            text,
            lead: String::new(),
            answers,
            classes: Vec::new(),
            rule,
        }
    });
    let questions = questions.collect();
    let head = match examples {
        true => "",
        false => "Read the following document; questions about it follow.\n\n",
    };
    Ok(of("l-eval", source, format!("{head}{document}"), questions))
}

fn babilong(row: &Row, stem: &str) -> Result<Sample, Wrong> {
    let asked = row.text("question")?;
    let answer = row.text("target")?;
    let dataset = row.text_or("task", stem)?;
    let task = ["qa1", "qa2", "qa3", "qa4", "qa5"]
        .into_iter()
        .find(|task| {
            let behind = dataset.find(task).map(|at| &dataset[at + task.len()..]);
            behind.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
        });
    let labels = table::babilong(task.unwrap_or_default()).iter();
    let lower = asked.to_lowercase();
    let classes = labels.filter(|label| !lower.contains(&label.to_lowercase()));
    let context = format!(
        "The following text holds facts about persons, places and things, hidden among other sentences.\n\n{}",
        row.text("input")?
    );
    let question = Question {
        text: format!(
            "\n\nAnswer the question by the facts in the text, in one word.\nQuestion: {asked}\nAnswer:"
        ),
        lead: String::new(),
        answers: vec![answer.into()],
        classes: classes.map(|&label| label.to_owned()).collect(),
        rule: Rule::new(Metric::Label, 20),
    };
    Ok(of("babilong", dataset, context, vec![question]))
}

fn plain(row: &Row, stem: &str) -> Result<Sample, Wrong> {
    let asked = row.texts("questions")?;
    let answers = row.lists("answers", asked.len())?;
    let metrics = row.each("metric", asked.len())?;
    let max_tokens = row.number("max_tokens")?.unwrap_or(PLAIN_TOKENS).max(1);
    let classes = row.texts_or_none("classes")?;
    let choices = row.lists_or_one("choices", asked.len())?;
    let context = row.text("context")?;
    let mut questions = Vec::with_capacity(asked.len());
    let rows = asked.into_iter().zip(answers).zip(metrics).zip(choices);
    for (((asked, mut answers), metric), choices) in rows {
        let name = metric.unwrap_or(match choices.is_empty() {
            true => "f1",
            false => "likelihood",
        });
        let metric = Metric::named(name).ok_or_else(|| {
            let names = Metric::NAMES.map(|(name, _)| name).join(", ");
            format!("`metric` is \"{name}\", which is none of {names}")
        })?;
        answerable(metric, &answers, &classes)?;
        let mut classes = classes.clone();
        if metric.weighs() {
            answers = chosen(&answers, &choices, metric)?;
            classes = choices;
        }
        questions.push(Question {
            text: format!("\n\n{asked}"),
            lead: String::new(),
            answers,
            classes,
            rule: Rule::new(metric, max_tokens),
        });
    }
    let dataset = row.text_or("dataset", stem)?;
    Ok(of("plain", dataset, context.into(), questions))
}

/// The options that `answers` name: by their text, their letter from A on, or their number from 0 on.
fn chosen(answers: &[String], choices: &[String], metric: Metric) -> Result<Vec<String>, Wrong> {
    let short = |text: &str| text.chars().take(40).collect::<String>();
    if choices.len() < 2 {
        return Err(format!(
            "the metric {} needs two `choices` at least",
            metric.name()
        ));
    }
    for (i, choice) in choices.iter().enumerate() {
        if choice.is_empty() || choices[..i].contains(choice) {
            return Err(format!(
                "`choices` has \"{}\", which is empty or there twice",
                short(choice).escape_debug()
            ));
        }
    }
    let named = |answer: &String| {
        if choices.contains(answer) {
            return Ok(answer.clone());
        }
        let mut letters = answer.chars();
        let at = match (letters.next(), letters.next()) {
            (Some(letter @ 'A'..='Z'), None) => Some(letter as usize - 'A' as usize),
            _ => answer.parse().ok(),
        };
        at.and_then(|at: usize| choices.get(at)).cloned().ok_or_else(|| {
            format!(
                "`answers` has \"{}\", which is none of the {} `choices`, nor the letter (from A on) or \
                 the number (from 0 on) of one",
                short(answer).escape_debug(),
                choices.len()
            )
        })
    };
    answers.iter().map(named).collect()
}

/// Refuses what the metric could never find right, or would find right by mistake: the published multiple
/// choice takes every reference without a letter from A to D for A.
fn answerable(metric: Metric, answers: &[String], classes: &[String]) -> Result<(), Wrong> {
    let letters = |answer: &str| -> usize {
        let word = answer.split_whitespace().next().unwrap_or_default();
        let mut letters = word.chars().filter(|c| c.is_alphanumeric());
        match letters.clone().all(|c| matches!(c, 'A'..='D')) {
            true => letters.by_ref().count(),
            false => 0,
        }
    };
    let fits = |answer: &String| match metric {
        Metric::Choice => letters(answer) == 1,
        Metric::Choices => letters(answer) > 0,
        _ => true,
    };
    if let Some(answer) = answers.iter().find(|answer| !fits(answer)) {
        let wanted = match metric {
            Metric::Choice => "one letter",
            _ => "letters",
        };
        let answer: String = answer.chars().take(40).collect();
        return Err(format!(
            "`answers` has \"{}\", which does not begin with {wanted} from A to D: the metric {} knows no \
             others; `exact` and `contains` take any",
            answer.escape_debug(),
            metric.name()
        ));
    }
    if metric == Metric::Classification && classes.is_empty() {
        return Err("the metric classification needs `classes`".into());
    }
    Ok(())
}
