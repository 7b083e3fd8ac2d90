//! Models of which some layers see a sliding window only: the policy bounds the others.

use crossterm::event::KeyCode;

use super::fixture::{Shape, draw, look, theme};
use super::{SIDE, ZOOMED, golden, press, sheet};
use crate::tui::golden::{Sheet, text};
use crate::tui::observed::Observed;
use crate::tui::panel::{Look, Panel, Panels};
use crate::tui::theme::Depth;

const WINDOW: u32 = 512;
const GEMMA: Shape = Shape {
    layers: 26,
    heads: 4,
    budget: 1024,
};

fn sees_window(layer: usize) -> bool {
    layer % 6 != 5
}

/// A conversation in which five of six layers have a window.
fn conversation() -> Observed {
    let mut o = GEMMA.conversation();
    for round in &mut o.rounds {
        round.round.layers.retain(|l| !sees_window(l.layer));
    }
    let p = &mut o.picture;
    p.windows = (0..GEMMA.layers)
        .map(|l| sees_window(l).then_some(WINDOW))
        .collect();
    for (l, lens) in p
        .lens
        .iter_mut()
        .enumerate()
        .filter(|(l, _)| sees_window(*l))
    {
        lens.fill(WINDOW + (l % 2) as u32 * 40);
    }
    let entries: u64 = p.lens.iter().flatten().map(|&n| u64::from(n)).sum();
    let growing = (0..GEMMA.layers).filter(|l| !sees_window(*l)).count();
    let bounded: u64 = (p.lens.iter().zip(&p.windows))
        .filter(|(_, window)| window.is_some())
        .flat_map(|(lens, _)| lens)
        .map(|&n| u64::from(n))
        .sum();
    p.used_bytes = entries * 256;
    p.allocated_bytes = p.used_bytes * 21 / 20;
    p.full_bytes = ((p.position * growing * GEMMA.heads) as u64 + bounded) * 256;
    p.bound_entries = Some(growing * GEMMA.heads * 1152);
    let all = (growing * GEMMA.heads) as u16;
    for n in &mut p.holders {
        *n = *n * all / (GEMMA.layers * GEMMA.heads) as u16;
    }
    o
}

#[test]
fn windows_are_told_apart() {
    let mut out = Sheet::default();
    let mut panels = Panels::default();
    let o = conversation();
    golden(&mut out, "budgets", &panels, Panel::Budgets, &o, false);
    golden(&mut out, "memory", &panels, Panel::Memory, &o, false);
    press(&mut panels, Panel::Budgets, &o, &[KeyCode::Home]);
    golden(&mut out, "cursor", &panels, Panel::Budgets, &o, true);
    let plain = theme(Depth::None);
    let ascii = Look {
        ascii: true,
        ..look(&plain)
    };
    let mut other = sheet(&panels, Panel::Budgets, &o, &ZOOMED[..2], ascii);
    let sizes = [SIDE[1], ZOOMED[1]];
    other += &sheet(&panels, Panel::Tokens, &o, &sizes, look(&plain));
    insta::assert_snapshot!("windows", out.finish());
    insta::assert_snapshot!("windows_other", other);
}

/// A conversation in which three of four layers keep a state.
fn with_states() -> Observed {
    let grows = |layer: usize| layer % 4 == 3;
    let mut o = GEMMA.conversation();
    for round in &mut o.rounds {
        round.round.layers.retain(|l| grows(l.layer));
    }
    let p = &mut o.picture;
    p.states = (0..GEMMA.layers)
        .map(|l| (!grows(l)).then_some(1_097_728))
        .collect();
    let lens = p.lens.iter_mut().enumerate();
    lens.filter(|(l, _)| !grows(*l))
        .for_each(|(_, lens)| lens.clear());
    o
}

#[test]
fn states_are_told_apart() {
    let o = with_states();
    assert_eq!((o.growing_layers(), o.all_heads()), (6, 24));
    let mut panels = Panels::default();
    let mut out = Sheet::default();
    golden(&mut out, "budgets", &panels, Panel::Budgets, &o, false);
    golden(&mut out, "memory", &panels, Panel::Memory, &o, false);
    // The last layer keeps a state.
    press(&mut panels, Panel::Budgets, &o, &[KeyCode::Home]);
    golden(&mut out, "cursor", &panels, Panel::Budgets, &o, true);
    let drawn = out.finish();
    for told in [
        "20 of 26 layers hold a state that does not grow",
        "layer 25 head 0 · state 1.05 MiB · does not grow",
        "saves less: only 6 of 26 layers grow",
    ] {
        assert!(drawn.contains(told), "{told} in\n{drawn}");
    }
    insta::assert_snapshot!("states", drawn);
}

#[test]
fn only_layers_that_grow_count() {
    let o = conversation();
    assert_eq!((o.growing_layers(), o.all_heads()), (4, 16));
    let grown = |l: usize| !sees_window(l);
    let lens = o.picture.lens.iter().enumerate().filter(|(l, _)| grown(*l));
    let lens: Vec<f64> = lens.flat_map(|(_, h)| h).map(|&n| f64::from(n)).collect();
    let mean = lens.iter().sum::<f64>() / lens.len() as f64;
    assert_eq!(o.uniform(), Some(mean));
    // Tokens that windows have passed are not gone: held by all heads that grow is held by all.
    assert_eq!(o.picture.holders.last(), Some(&16));
    let mut panels = Panels::default();
    let theme = theme(Depth::True);
    let look = Look {
        focused: true,
        ..look(&theme)
    };
    // Home is the last layer, which has a window.
    press(&mut panels, Panel::Budgets, &o, &[KeyCode::Home]);
    let drawn = text(&draw(&panels, Panel::Budgets, &o, (70, 32), look));
    for told in [
        "22 of 26 layers see a window of 512 and are bounded by it",
        "layer 25 head 0 · 552 · window 512 · bounded by itself",
        "window 512",
    ] {
        assert!(drawn.contains(told), "{told} in\n{drawn}");
    }
    let memory = text(&draw(&panels, Panel::Memory, &o, (60, 16), look));
    assert!(
        memory.contains("saves less: only 4 of 26 layers grow"),
        "{memory}"
    );
    // What stands over the bound of growing layers is theirs alone.
    let share = lens.iter().sum::<f64>() / (16.0 * 1152.0);
    let budgets = format!("{} of budgets", crate::human::percent_whole(share));
    assert!(memory.contains(&budgets), "{budgets} in\n{memory}");
}

/// A conversation in which the last ten layers see entries of the two before them.
#[test]
fn layers_that_share_are_told_apart() {
    let first = GEMMA.layers - 10;
    let mut o = GEMMA.conversation();
    for round in &mut o.rounds {
        round
            .round
            .layers
            .retain(|l| l.layer < first && l.layer % 2 == 1);
    }
    let p = &mut o.picture;
    let window = |l: usize| (l < first && l.is_multiple_of(2)).then_some(512);
    p.windows = (0..GEMMA.layers).map(window).collect();
    let source = |l: usize| (l >= first).then(|| (first - 2 + l % 2) as u32);
    p.sources = (0..GEMMA.layers).map(source).collect();
    p.lens[first..].iter_mut().for_each(Vec::clear);
    assert_eq!(o.growing_layers(), first / 2);
    let mut panels = Panels::default();
    let mut out = Sheet::default();
    golden(&mut out, "budgets", &panels, Panel::Budgets, &o, false);
    press(&mut panels, Panel::Budgets, &o, &[KeyCode::Home]);
    golden(&mut out, "cursor", &panels, Panel::Budgets, &o, true);
    let drawn = out.finish();
    for told in [
        "8 of 26 layers are bounded by a window of 512, 10 see others' entries",
        "layer 25 head 0 · sees layer 15 · holds nothing itself",
    ] {
        assert!(drawn.contains(told), "{told} in\n{drawn}");
    }
    insta::assert_snapshot!("sharing", drawn);
}
