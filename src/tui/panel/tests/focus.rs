//! What the keys change about a panel that has them, and what not.

use super::*;

#[test]
fn the_map_lies_the_same_way_with_the_cursor_and_names_each_head_once() {
    let o = SMOL.conversation();
    let theme = theme(Depth::True);
    let rows = |size, focused| {
        let look = Look {
            focused,
            ..look(&theme)
        };
        text(&draw(&Panels::default(), Panel::Budgets, &o, size, look))
    };
    // Layers run upwards where there is a line for two of them.
    for height in 16..20 {
        let lies = |focused| {
            let shown = rows((34, height), focused);
            shown.lines().any(|line| line.starts_with("h1"))
        };
        assert_eq!(lies(true), lies(false), "{height} lines");
    }
    let shown = rows((40, 10), true);
    assert_eq!(shown.matches("h0").count(), 1, "{shown}");
}

#[test]
fn without_the_keys_the_newest_rounds_are_shown() {
    let o = SMOL.conversation();
    let theme = theme(Depth::True);
    let mut panels = Panels::default();
    let drawn = |panels: &Panels, focused| {
        let look = Look {
            focused,
            ..look(&theme)
        };
        text(&draw(panels, Panel::Evictions, &o, (40, 18), look))
    };
    let before = drawn(&panels, false);
    press(&mut panels, Panel::Evictions, &o, &[KeyCode::Enter]);
    assert!(drawn(&panels, true).contains("Esc closes"));
    assert_eq!(drawn(&panels, false), before);
}
