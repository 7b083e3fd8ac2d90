//! Where scrolling ends.

use crossterm::event::KeyCode;

use super::comparisons::compared;
use super::{answered, press, screen, text};
use crate::tui::state::State;
use crate::tui::theme::Depth;

const SIZE: (u16, u16) = (40, 8);

#[test]
fn nothing_is_said_to_be_below_where_all_is_in_view() {
    let mut state = answered(Depth::None);
    screen(&mut state, (80, 24));
    press(&mut state, KeyCode::PageUp);
    let badge = |state: &mut State, size| text(&screen(state, size)).contains(" lines ─");
    assert!(badge(&mut state, (80, 24)));
    assert!(!badge(&mut state, (120, 40)));
}

#[test]
fn one_key_leaves_the_end_of_the_help_and_of_a_comparison() {
    let mut help = answered(Depth::None);
    press(&mut help, KeyCode::F(1));
    for (name, mut state) in [("help", help), ("comparison", compared(Depth::None))] {
        let first = text(&screen(&mut state, SIZE));
        for _ in 0..100 {
            press(&mut state, KeyCode::Down);
        }
        let last = text(&screen(&mut state, SIZE));
        assert_ne!(last, first, "{name}");
        press(&mut state, KeyCode::Up);
        assert_ne!(text(&screen(&mut state, SIZE)), last, "{name}");
    }
}
