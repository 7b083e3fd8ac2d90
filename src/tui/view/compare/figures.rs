//! What a run has come to, in figures.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::engine::compare::PolicyRun;
use crate::human;
use crate::tui::state::compare::{Column, Stage};
use crate::tui::theme::Theme;

/// What a run is at, in words.
pub fn doing(column: &Column) -> String {
    match column.stage {
        Stage::Waiting => "waits".to_owned(),
        Stage::Reading(share) => format!("reads {}", human::percent_whole(share)),
        Stage::Answering(n) => format!("answers {}", human::thousands(n)),
        Stage::Measuring(share) => format!("is measured {}", human::percent_whole(share)),
        Stage::Done => "done".to_owned(),
        Stage::Stopped => "was stopped".to_owned(),
    }
}

/// Rows of figures; as many for every column.
pub fn figures(column: &Column, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let row = |label: &str, value: String| {
        Line::from(vec![
            Span::styled(format!("{label:<8}"), Style::new().fg(theme.dim)),
            Span::styled(value, Style::new().fg(theme.text)),
        ])
    };
    let Some(run) = &column.run else {
        let share = match column.stage {
            Stage::Reading(share) | Stage::Measuring(share) => share,
            _ => 0.0,
        };
        let mut lines = vec![
            bar(share, width, theme),
            Line::styled(doing(column), Style::new().fg(theme.dim)),
        ];
        lines.resize(FIGURES, Line::default());
        return lines;
    };
    let f = Figures::of(run);
    vec![
        bar(f.share, width, theme),
        row("cache", format!("{} · {} of full", f.cache, f.of_full)),
        row("keeps", format!("{} of the attention", f.keeps)),
        row(
            "KL",
            match run.kl_mean {
                Some(_) => format!("{} nats {}", f.kl, spark(&run.kl, width.saturating_sub(22))),
                None => f.kl.clone(),
            },
        ),
        row(
            "agrees",
            match run.top1_agree {
                Some(_) => format!("{} of the tokens", f.agrees),
                None => f.agrees.clone(),
            },
        ),
        row(
            "reads",
            format!(
                "{} tok/s · {}",
                f.reads,
                human::duration(run.prefill_seconds)
            ),
        ),
        row(
            "writes",
            format!(
                "{} tok/s · {} tokens",
                f.writes,
                human::thousands(run.generated_tokens)
            ),
        ),
        row("differs", differs(run)),
    ]
}

const FIGURES: usize = 8;

/// Figures as they are written everywhere.
pub struct Figures {
    pub share: f64,
    pub cache: String,
    pub of_full: String,
    pub keeps: String,
    pub kl: String,
    pub agrees: String,
    pub reads: String,
    pub writes: String,
}

impl Figures {
    pub fn of(run: &PolicyRun) -> Figures {
        let share = run.kv_used_bytes as f64 / run.kv_full_bytes.max(1) as f64;
        let dash = || "–".to_owned();
        Figures {
            share,
            cache: human::bytes(run.kv_used_bytes),
            of_full: human::percent_whole(share),
            keeps: human::percent(run.retained_mass),
            kl: run.kl_mean.map_or_else(dash, |kl| format!("{kl:.4}")),
            agrees: run.top1_agree.map_or_else(dash, human::percent_whole),
            reads: human::rate(run.prefill_tokens_per_second),
            writes: human::rate(run.decode_tokens_per_second),
        }
    }
}

/// From where on the answer is another one.
pub fn differs(run: &PolicyRun) -> String {
    match run.first_divergence {
        Some(at) => format!("from token {} on", human::thousands(at + 1)),
        None if run.budget.is_none() => "– it is the yardstick".to_owned(),
        None => "nowhere".to_owned(),
    }
}

fn bar(share: f64, width: usize, theme: &Theme) -> Line<'static> {
    let done = (share.clamp(0.0, 1.0) * width as f64).round() as usize;
    Line::from(vec![
        Span::styled("━".repeat(done), Style::new().fg(theme.bar)),
        Span::styled("─".repeat(width - done), Style::new().fg(theme.track)),
    ])
}

/// The KL over the steps, the highest step a full block.
fn spark(kl: &[f64], cells: usize) -> String {
    let cells = cells.min(24).min(kl.len());
    let most = kl.iter().copied().fold(0.0, f64::max);
    if cells == 0 || most <= 0.0 {
        return String::new();
    }
    let level = |i: usize| {
        let (from, to) = (i * kl.len() / cells, (i + 1) * kl.len() / cells);
        let peak = kl[from..to].iter().copied().fold(0.0, f64::max);
        let level = (peak / most * 7.0).round() as usize;
        ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][level.min(7)]
    };
    (0..cells).map(level).collect()
}
