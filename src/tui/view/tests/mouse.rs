//! The mouse, over what is really drawn.

use crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::{answered, press, screen, text};
use crate::tui::panel::Panel;
use crate::tui::state::{Effect, Focus, Input, State};
use crate::tui::theme::Depth;

const SIZE: (u16, u16) = (120, 40);

fn drawn() -> State {
    let mut state = answered(Depth::True);
    screen(&mut state, SIZE);
    state
}

fn mouse(state: &mut State, kind: MouseEventKind, (column, row): (u16, u16)) {
    let modifiers = KeyModifiers::NONE;
    let event = MouseEvent {
        kind,
        column,
        row,
        modifiers,
    };
    state.update(Input::Mouse(event));
}

fn drag(state: &mut State, from: u16, to: u16) {
    let button = MouseButton::Left;
    mouse(state, MouseEventKind::Down(button), (from, 5));
    mouse(state, MouseEventKind::Drag(button), (to, 5));
    mouse(state, MouseEventKind::Up(button), (to, 5));
    screen(state, SIZE);
}

#[test]
fn the_split_is_dragged_and_both_sides_stay_readable() {
    let mut state = drawn();
    let split = state.screen.areas.main.right();
    drag(&mut state, split, split - 12);
    assert_eq!(state.screen.areas.main.right(), split - 12);
    // Without the button, nothing moves.
    let button = MouseButton::Left;
    mouse(&mut state, MouseEventKind::Drag(button), (40, 5));
    screen(&mut state, SIZE);
    assert_eq!(state.screen.areas.main.right(), split - 12);
    drag(&mut state, split - 12, 0);
    assert!(state.screen.areas.conversation.width >= 30);
    let narrow = state.screen.areas.main.right();
    drag(&mut state, narrow, SIZE.0 - 1);
    assert!(state.screen.areas.panels[0].1.width >= 20);
}

#[test]
fn a_click_picks_a_panel_and_the_input() {
    let mut state = drawn();
    let button = MouseEventKind::Down(MouseButton::Left);
    for (panel, area) in state.screen.areas.panels.clone() {
        mouse(&mut state, button, (area.x + 1, area.y + 1));
        assert_eq!(state.screen.focus, Focus::Panel(panel));
    }
    let input = state.screen.areas.input;
    mouse(&mut state, button, (input.x, input.y));
    assert_eq!(state.screen.focus, Focus::Input);
}

#[test]
fn the_wheel_moves_what_is_under_it() {
    let mut state = answered(Depth::True);
    // Low enough for the answer to be longer than the screen.
    screen(&mut state, (120, 20));
    let at = |area: ratatui::layout::Rect| (area.x + 1, area.y + 1);
    let conversation = at(state.screen.areas.conversation);
    assert!(state.conversation.scroll.following());
    mouse(&mut state, MouseEventKind::ScrollUp, conversation);
    assert!(!state.conversation.scroll.following());
    mouse(&mut state, MouseEventKind::ScrollDown, conversation);
    assert!(state.conversation.scroll.following());
    // Over a panel it is the panel's.
    let panels = &state.screen.areas.panels;
    let evictions = panels.iter().find(|(p, _)| *p == Panel::Evictions);
    let evictions = at(evictions.unwrap().1);
    mouse(&mut state, MouseEventKind::ScrollUp, evictions);
    assert!(state.conversation.scroll.following());
}

#[test]
fn the_wheel_moves_the_help_while_it_is_open() {
    let mut state = answered(Depth::True);
    let size = (120, 20);
    press(&mut state, KeyCode::F(1));
    let first = text(&screen(&mut state, size));
    for _ in 0..40 {
        mouse(&mut state, MouseEventKind::ScrollDown, (60, 10));
    }
    let last = text(&screen(&mut state, size));
    assert_ne!(last, first);
    assert!(state.conversation.scroll.following());
    mouse(&mut state, MouseEventKind::ScrollUp, (60, 10));
    assert_ne!(text(&screen(&mut state, size)), last);
}

#[test]
fn the_mouse_is_given_to_the_terminal_and_taken_back() {
    let mut state = drawn();
    let on = state.screen.mouse;
    for wanted in [!on, on] {
        let key = crossterm::event::KeyEvent::new(KeyCode::F(9), KeyModifiers::NONE);
        let effects = state.update(Input::Key(key));
        assert!(effects.contains(&Effect::Mouse(wanted)));
    }
    press(&mut state, KeyCode::F(1));
    assert!(state.screen.help.is_some());
}
