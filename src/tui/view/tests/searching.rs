//! What a search finds, and shows of it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Modifier;

use super::{answered, press, screen, text, type_in};
use crate::tui::state::{Input, Search};
use crate::tui::theme::Depth;

const SIZE: (u16, u16) = (80, 24);

#[test]
fn what_wraps_is_found_and_marked_on_both_rows() {
    let mut state = answered(Depth::None);
    screen(&mut state, SIZE);
    press(&mut state, KeyCode::F(10));
    type_in(&mut state, "30 days' notice");
    let buf = screen(&mut state, SIZE);
    let shown = text(&buf);
    assert!(shown.contains("find 30 days' notice▏ 1 line"), "{shown}");
    let area = state.screen.areas.conversation;
    let cells = area.positions().map(|at| &buf[at]);
    let marked = cells.filter(|cell| cell.modifier.contains(Modifier::REVERSED));
    let marked: String = marked.map(|cell| cell.symbol()).collect();
    assert!(marked.contains("30 days'notice"), "{marked}");
}

#[test]
fn names_beside_messages_are_not_found_and_nothing_is_left_of_a_search_that_is_cleared() {
    let mut state = answered(Depth::None);
    screen(&mut state, SIZE);
    press(&mut state, KeyCode::F(10));
    type_in(&mut state, "notice");
    let key = KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL);
    state.update(Input::Key(key));
    assert_eq!(state.search, Some(Search::default()));
    type_in(&mut state, "cachat");
    let shown = text(&screen(&mut state, SIZE));
    assert!(shown.contains("not found"), "{shown}");
}
