//! What stands below the bar, the most telling first.

use ratatui::style::Color;
use ratatui::text::{Line, Span};

use super::process::parts;
use crate::engine::event::Mode;
use crate::human;
use crate::tui::observed::Observed;
use crate::tui::panel::pen::span;
use crate::tui::text::wrap;
use crate::tui::theme::{Depth, Theme};

/// Figures of one row, each with its column.
pub type Row = Vec<(u16, Line<'static>)>;

/// Cells between two columns.
const GAP: usize = 2;

/// At most `rows` of them at this width.
pub fn figures(o: &Observed, t: &Theme, width: u16, rows: usize) -> Vec<Row> {
    let p = &o.picture;
    // As the bar is drawn, with colours and without.
    let (full, allocated) = match t.depth {
        Depth::None => ("░ ", "▒ "),
        _ => ("■ ", "■ "),
    };
    let mut cache = vec![figure(
        Some((full, t.track)),
        p.full_bytes,
        " full cache",
        t,
    )];
    cache.extend(p.bound_entries.map(|bound| of_budgets(o, bound, t)));
    let swatch = Some((allocated, t.faint));
    let parts = parts(o);
    // On a device, or where the system tells nothing, it is no part of the process.
    if parts.is_none_or(|parts| parts.cache == 0) {
        cache.insert(1, figure(swatch, p.allocated_bytes, " allocated", t));
    }
    let parts = parts.unwrap_or_default();
    let split = [
        (None, parts.weights, " weights"),
        (swatch, parts.cache, " cache"),
        (None, parts.archive, " archive"),
        (None, parts.mapped, " mapped"),
        (None, parts.rest, " rest"),
    ];
    let split = split.into_iter().filter(|(_, bytes, _)| *bytes > 0);
    let split = split.map(|(swatch, bytes, what)| figure(swatch, bytes, what, t));
    let split: Vec<Line> = split.collect();
    let process = figure(None, p.process.resident, " process", t);
    let device = device(o, t);
    // All in one row, or the parts below the whole.
    let whole: Vec<Line> = std::iter::once(&process).chain(&split).cloned().collect();
    let mut split_rows = grid(&whole, width);
    if split_rows.len() > 1 {
        split_rows = vec![vec![(0, process.clone())]];
        split_rows.extend(grid(&split, width));
    }

    // Where they do not fit beside each other, the archive comes before the second figure.
    let mut out = grid(&cache, width);
    let second = out.split_off(1);
    out.push(vec![(0, archive(o, t, width))]);
    out.extend(
        windows(o, t, width)
            .filter(|_| rows > 3)
            .map(|line| vec![(0, line)]),
    );
    let device_rows = grid(&device, width);
    match out.len() + device_rows.len() <= rows {
        true => out.extend(device_rows),
        // The whole without its parts.
        false => out.extend(device.into_iter().take(1).map(|line| vec![(0, line)])),
    }
    // Parts without the rest would not add up.
    match out.len() + split_rows.len() <= rows {
        _ if split.is_empty() => {}
        true => out.extend(split_rows),
        false => out.push(vec![(0, process)]),
    }
    out.extend(second);
    out.truncate(rows);
    out
}

/// Entries against the `bound` of all budgets; an answer grows beyond them by the slack.
fn of_budgets(o: &Observed, bound: usize, t: &Theme) -> Line<'static> {
    let entries: usize = o.growing().map(|(_, _, n)| n as usize).sum();
    let share = |entries: usize| human::percent_whole(entries as f64 / bound.max(1) as f64);
    let over = entries.saturating_sub(bound);
    let spans = match over > 0 && over <= o.growing().count() * o.policy.slack {
        true => vec![
            span("budgets + ", t.dim),
            span(share(over), t.text),
            span(" slack", t.dim),
        ],
        false => vec![span(share(entries), t.text), span(" of budgets", t.dim)],
    };
    Line::from(spans)
}

/// What of a device's memory is whose, and what its driver says of all of it.
fn device(o: &Observed, t: &Theme) -> Vec<Line<'static>> {
    let Some(d) = o.picture.device else {
        return Vec::new();
    };
    let mut all = vec![figure(None, d.usage.allocated, " on the device", t)];
    if let (Some(total), Some(free)) = (d.total, d.free) {
        let taken = total.saturating_sub(free);
        let spans = vec![
            span(human::bytes(taken), t.text),
            span(" of ", t.dim),
            span(human::bytes(total), t.text),
            span(" taken", t.dim),
        ];
        all.push(Line::from(spans));
    }
    let parts = [
        (d.weights, " weights"),
        (d.usage.slabs, " pages"),
        (d.rest(), " working"),
    ];
    let parts = parts.into_iter().filter(|(bytes, _)| *bytes > 0);
    all.extend(parts.map(|(bytes, what)| figure(None, bytes, what, t)));
    all
}

fn figure(
    swatch: Option<(&'static str, Color)>,
    bytes: u64,
    what: &'static str,
    t: &Theme,
) -> Line<'static> {
    let mut spans: Vec<Span> = swatch.map(|c| span(c.0, c.1)).into_iter().collect();
    spans.extend([span(human::bytes(bytes), t.text), span(what, t.dim)]);
    Line::from(spans)
}

/// Where everything that was read is, as exactly as there is room for.
fn archive(o: &Observed, t: &Theme, width: u16) -> Line<'static> {
    let a = &o.archive;
    let (place, short) = match a.mode {
        Mode::Disk => (" archive on the disk", " archive on disk"),
        Mode::Memory => (" archive in memory", " archive in RAM"),
        Mode::Off => {
            let long = Line::from(span("archive off: what is evicted is gone", t.dim));
            let short = Line::from(span("archive off", t.dim));
            return fitting(vec![long, short], width);
        }
    };
    if a.tokens == 0 {
        let form = |text: String| Line::from(span(text, t.dim));
        let long = |place: &str| form(format!("{} · nothing yet", place.trim_start()));
        let forms = vec![
            long(place),
            long(short),
            form("nothing archived yet".into()),
        ];
        return fitting(forms, width);
    }
    if a.bytes == 0 {
        let form = |place: &str| {
            let tokens = human::thousands(a.tokens);
            Line::from(span(
                format!("{} · {tokens} tokens", place.trim_start()),
                t.dim,
            ))
        };
        return fitting(vec![form(place), form(short), form("archive")], width);
    }
    let bytes = || span(human::bytes(a.bytes), t.text);
    let tokens = || {
        [
            span(" · ", t.faint),
            span(human::thousands(a.tokens), t.text),
            span(" tokens", t.dim),
        ]
    };
    let mut forms = Vec::new();
    if let Some(path) = &a.path {
        let mut spans = vec![bytes(), span(place, t.dim)];
        spans.extend(tokens());
        let path = crate::tui::text::safe::one_line(&path.display().to_string());
        spans.extend([span(" · ", t.faint), span(path, t.dim)]);
        forms.push(Line::from(spans));
    }
    for place in [place, short, " archive"] {
        let mut spans = vec![bytes(), span(place, t.dim)];
        spans.extend(tokens());
        forms.push(Line::from(spans));
    }
    for place in [short, " archive"] {
        forms.push(Line::from(vec![bytes(), span(place, t.dim)]));
    }
    fitting(forms, width)
}

/// Why little is saved where most layers are bounded already.
fn windows(o: &Observed, t: &Theme, width: u16) -> Option<Line<'static>> {
    let (growing, layers) = (o.growing_layers(), o.layers());
    let has_states = (0..layers).any(|layer| o.state(layer).is_some());
    let hold = if has_states { "a state" } else { "a window" };
    let form = |text: String| Line::from(span(text, t.dim));
    let forms = vec![
        form(format!(
            "saves less: only {growing} of {layers} layers grow, the others hold {hold}"
        )),
        form(format!(
            "saves less: only {growing} of {layers} layers grow"
        )),
        form(format!("{growing} of {layers} layers grow")),
    ];
    (growing < layers).then(|| fitting(forms, width))
}

/// The first that fits, or the last.
fn fitting(forms: Vec<Line<'static>>, width: u16) -> Line<'static> {
    let fits = |l: &Line| wrap::line_width(l) <= usize::from(width);
    let at = forms
        .iter()
        .position(fits)
        .unwrap_or(forms.len().saturating_sub(1));
    forms.into_iter().nth(at).unwrap_or_default()
}

/// Items in as many columns as fit.
fn grid(items: &[Line<'static>], width: u16) -> Vec<Row> {
    if items.is_empty() {
        return Vec::new();
    }
    let widths: Vec<usize> = items.iter().map(wrap::line_width).collect();
    let columns = |n: usize| -> Vec<usize> {
        let widest = |c: usize| widths.iter().skip(c).step_by(n).copied().max();
        (0..n).map(|c| widest(c).unwrap_or(0)).collect()
    };
    let fits = |n: &usize| {
        let sum: usize = columns(*n).iter().sum();
        sum + GAP * (n - 1) <= usize::from(width)
    };
    let n = (1..=items.len()).rev().find(fits).unwrap_or(1);
    // As few columns as make no more rows: no row has one item left over.
    let n = items.len().div_ceil(items.len().div_ceil(n)).max(1);
    let columns = columns(n);
    let left = |c: usize| columns.iter().take(c).map(|w| w + GAP).sum::<usize>() as u16;
    let row = |row: &[Line<'static>]| {
        let cells = row.iter().enumerate();
        cells.map(|(c, item)| (left(c), item.clone())).collect()
    };
    items.chunks(n).map(row).collect()
}
