//! What the doctor found, line by line.

use crate::engine::doctor::machine::Machine;
use crate::engine::doctor::{Difference, Outcome, Way};
use crate::human;

/// The program and the machine.
pub fn machine(machine: &Machine) -> String {
    let features = match &machine.features[..] {
        [] => "none".to_owned(),
        some => some.join(", "),
    };
    let memory = machine.memory.map_or("unknown".to_owned(), |free| {
        format!("{} {}", human::bytes(free.bytes), free.of.words())
    });
    let gpu = match (&machine.card, &machine.no_card) {
        (Some(card), _) => format!(
            "{} {}: compute capability {}, driver for CUDA {}, {} multiprocessors, {} of memory{}",
            card.ordinal,
            card.name,
            card.capability,
            card.cuda,
            card.multiprocessors,
            human::bytes(card.memory_bytes),
            card.free_bytes.map_or(String::new(), |free| format!(
                ", {} free",
                human::bytes(free)
            )),
        ),
        (None, Some(why)) => format!("not used by the kernels: {why}"),
        (None, None) if machine.features.contains(&"metal") => "Metal".to_owned(),
        (None, None) => "not used: this build has no support for one".to_owned(),
    };
    let rows = [
        (
            "cachat",
            format!(
                "{}, {} {}, features: {features}",
                machine.version, machine.os, machine.arch
            ),
        ),
        (
            "CPU",
            format!(
                "{} cores, {} threads, {} for products, {} for attention",
                machine.cores, machine.threads, machine.products, machine.attention
            ),
        ),
        ("memory", memory),
        ("GPU", gpu),
    ];
    let lines = rows.map(|(what, text)| format!("{what:<8}{text}"));
    lines.join("\n")
}

/// What is done next, and the heads of the columns.
pub fn header(device: &str, ways: &[Way]) -> String {
    let heads: String = ways.iter().map(|way| format!("{:>12}", way.name)).collect();
    format!(
        "self-test on {device}: made models beside the CPU's exact results, largest difference\n\
         {:<8}{:<30}{heads}{:>10}",
        "", "model", "time"
    )
}

/// One case, under [`header`]; behind it what is wrong with it.
pub fn line(outcome: &Outcome) -> String {
    let verdict = if outcome.ok { "ok" } else { "FAILED" };
    let cells: String = outcome.ways.iter().map(cell).collect();
    let mut out = format!(
        "{verdict:<8}{:<30}{cells}{:>10}",
        outcome.case,
        human::duration(outcome.milliseconds / 1000.0)
    );
    for way in outcome.ways.iter().filter(|way| !way.ok) {
        let why = match &way.error {
            Some(error) => error.clone(),
            None => format!("more than {} is no rounding", way.bound),
        };
        out.push_str(&format!("\n{:<8}{}: {why}", "", way.way));
    }
    out
}

fn cell(way: &Difference) -> String {
    let off = way.largest();
    format!(
        "{:>12}",
        off.map_or("-".to_owned(), |off| format!("{off:.1e}"))
    )
}

/// All cases in a sentence.
pub fn summary(device: &str, ok: usize, of: usize, seconds: f64) -> String {
    format!(
        "{ok} of {of} cases are ok on {device}, in {}",
        human::duration(seconds)
    )
}

/// What to do about cases that failed.
pub fn advice(device: &str, failed: usize, of: usize) -> String {
    let what = match device {
        "cpu" => "report this with what `cachat doctor --json` prints",
        _ => {
            "use --device cpu until its driver is newer, and report this with what `cachat doctor --json` prints"
        }
    };
    format!("{failed} of {of} cases failed on {device}, whose answers may be wrong: {what}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::card::Card;

    fn found(off: f32) -> Difference {
        Difference {
            way: "f16",
            ok: off <= 0.03,
            logits: Some(off),
            scores: None,
            bound: 0.03,
            error: None,
        }
    }

    #[test]
    fn a_case_is_a_line_and_says_what_is_wrong_with_it() {
        let mut outcome = Outcome {
            case: "llama Q4_0, heads 4:2 of 64".into(),
            ok: true,
            milliseconds: 12.0,
            ways: vec![found(0.0042)],
        };
        assert_eq!(
            line(&outcome),
            "ok      llama Q4_0, heads 4:2 of 64         4.2e-3     12 ms"
        );
        let broken = Difference {
            error: Some("it is full".into()),
            logits: None,
            ok: false,
            ..found(0.0)
        };
        outcome.ways = vec![found(0.5), broken];
        outcome.ok = false;
        assert_eq!(
            line(&outcome),
            "FAILED  llama Q4_0, heads 4:2 of 64         5.0e-1           -     12 ms\n        \
             f16: more than 0.03 is no rounding\n        f16: it is full"
        );
    }

    #[test]
    fn the_machine_is_described_with_its_card_or_why_there_is_none() {
        let mut about = Machine {
            version: "1.2.3",
            features: vec!["cuda"],
            os: "linux",
            arch: "x86_64",
            cores: 2,
            threads: 1,
            products: "avx2".into(),
            attention: "avx2",
            memory: None,
            card: Some(Card {
                ordinal: 0,
                name: "NVIDIA X".into(),
                capability: "9.0".into(),
                cuda: "13.0".into(),
                multiprocessors: 132,
                memory_bytes: 80 << 30,
                free_bytes: Some(79 << 30),
            }),
            no_card: None,
        };
        assert_eq!(
            machine(&about),
            "cachat  1.2.3, linux x86_64, features: cuda\n\
             CPU     2 cores, 1 threads, avx2 for products, avx2 for attention\n\
             memory  unknown\n\
             GPU     0 NVIDIA X: compute capability 9.0, driver for CUDA 13.0, 132 multiprocessors, \
             80.0 GiB of memory, 79.0 GiB free"
        );
        about.card = None;
        about.no_card = Some("no driver".into());
        assert!(machine(&about).ends_with("GPU     not used by the kernels: no driver"));
        about.no_card = None;
        about.features.clear();
        assert!(machine(&about).ends_with("this build has no support for one"));
    }
}
