//! Where scrolling ends.

use crossterm::event::KeyCode;

use super::comparisons::compared;
use super::{answered, press, screen, text};
use crate::tui::theme::Depth;

const SIZE: (u16, u16) = (40, 8);

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
