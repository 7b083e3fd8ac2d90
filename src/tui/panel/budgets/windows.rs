//! Layers that a sliding window bounds, that keep a state or see another layer's entries: drawn apart
//! from the scale of budgets, and explained.

use ratatui::text::Line;

use super::grid::{Grid, Split};
use crate::human;
use crate::tui::observed::Observed;
use crate::tui::panel::pen::{Pen, span};

/// Stands where the layer and not the policy says what is kept.
pub const HATCH: char = '░';

/// There are such layers.
pub fn any(o: &Observed) -> bool {
    o.growing_layers() < o.layers()
}

/// The head's layer has a window and its entries, its state, or nothing.
pub fn filled(o: &Observed, (layer, head): (usize, usize)) -> bool {
    let windowed = o.window(layer).is_some() && o.kept(layer, head).is_some();
    windowed || o.state(layer).is_some() || o.source(layer).is_some()
}

/// `window 512`, `state 1.1 MB` or `sees layer 14` on the layers that have one, where each has a line to itself.
pub fn names(o: &Observed, grid: &Grid, pen: &mut Pen) {
    if grid.sideways || grid.split != Split::None {
        return;
    }
    let t = pen.theme();
    for y in grid.area.top()..grid.area.bottom() {
        let unit = grid.at(grid.area.x, y, false);
        let Some(unit) = unit.filter(|&unit| filled(o, unit)) else {
            continue;
        };
        let text = match (o.state(unit.0), o.source(unit.0), o.window(unit.0)) {
            (Some(bytes), _, _) => format!("state {}", human::bytes(bytes)),
            (None, Some(source), _) => format!("sees layer {source}"),
            (None, None, window) => {
                let window = window.unwrap_or_default() as usize;
                format!("window {}", human::thousands(window))
            }
        };
        // One cell is left for the cursor's brackets.
        if text.len() + 2 <= usize::from(grid.area.width) {
            pen.text(grid.area.x + 1, y, &text, t.dim);
        }
    }
}

/// How many they are, and what that means, as exactly as there is room for.
pub fn legend(o: &Observed, y: u16, pen: &mut Pen) {
    let t = pen.theme();
    let all = o.layers();
    let line = |text: String| {
        Line::from(vec![
            span(HATCH.to_string(), t.faint),
            span(format!(" {text}"), t.dim),
        ])
    };
    let states = (0..all).filter(|&layer| o.state(layer).is_some()).count();
    if states > 0 {
        let lines = [
            line(format!(
                "{states} of {all} layers hold a state that does not grow"
            )),
            line(format!("{states} of {all} layers hold a state")),
            line(format!("{states} of {all}: state")),
        ];
        return pen.fitting(y, &lines);
    }
    let windows = || (0..all).filter_map(|layer| o.window(layer));
    let (Some(least), Some(most)) = (windows().min(), windows().max()) else {
        return;
    };
    let (n, size) = (windows().count(), |n: u32| human::thousands(n as usize));
    let (of, short) = match least == most {
        true => (format!("a window of {}", size(most)), size(most)),
        false => {
            let range = format!("{}–{}", size(least), size(most));
            (format!("windows of {range}"), range)
        }
    };
    let sharing = (0..all).filter(|&layer| o.source(layer).is_some()).count();
    if sharing > 0 {
        let lines = [
            line(format!(
                "{n} of {all} layers are bounded by {of}, {sharing} see others' entries"
            )),
            line(format!(
                "{n} of {all}: window {short}, {sharing} see others'"
            )),
            line(format!("{n}: window, {sharing}: others'")),
        ];
        return pen.fitting(y, &lines);
    }
    let lines = [
        line(format!(
            "{n} of {all} layers see {of} and are bounded by it"
        )),
        line(format!("{n} of {all} layers bounded by window {short}")),
        line(format!("{n} of {all}: window {short}")),
    ];
    pen.fitting(y, &lines);
}
