//! Keys. From the outermost layer to the innermost: always, help, search, comparison, picked
//! message, panels, scrolling, popup, input.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{Effect, Focus, State};
use crate::engine::event::Command;
use crate::tui::conversation::Level;
use crate::tui::panel::Panel;

/// Two Ctrl-C within this many seconds leave.
const AGAIN: f64 = 2.0;

impl State {
    pub(super) fn key(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        self.pressed(key, effects);
        self.preview_theme();
    }

    fn pressed(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) {
        if self.global(key, effects) {
            return;
        }
        if let Some(top) = self.screen.help {
            return self.screen.help_key(top, key);
        }
        if self.search.is_some() {
            return self.search_key(key);
        }
        if self.comparing() {
            return self.compare_key(key, effects);
        }
        if self.selected_key(key, effects) {
            return;
        }
        if let Focus::Panel(panel) = self.screen.focus
            && self.panel_key(panel, key)
        {
            return;
        }
        // In a panel nothing but a character that is typed goes to the input, which nobody looks at.
        if self.scroll_key(key) || self.screen.focus != Focus::Input {
            return;
        }
        if !self.popup_key(key, effects) {
            self.input_key(key, effects);
        }
        self.ask_for_names(effects);
    }

    /// Keys that mean the same everywhere.
    fn global(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        // Nothing that is being written is thrown away.
        let alone = key.modifiers == KeyModifiers::ALT && self.composer.is_empty();
        match key.code {
            KeyCode::Char('c') if control => self.interrupt(effects),
            KeyCode::Char('z') if control => effects.push(Effect::Suspend),
            KeyCode::Char('l') if control => effects.push(Effect::Redraw),
            KeyCode::Char('d') if control && self.composer.is_empty() => self.leave(effects),
            KeyCode::Char('f') if control && self.search.is_none() && self.composer.is_empty() => {
                self.open_search();
            }
            KeyCode::F(10) => self.open_search(),
            KeyCode::Char('o') if control && !self.comparing() => self.go_on(effects),
            KeyCode::Char('x') if control && !self.comparing() => self.open_element(effects),
            KeyCode::Char('t') if control && !self.comparing() => self.toggle_details(),
            KeyCode::Char('r') if control && self.search.is_none() && !self.comparing() => {
                self.toggle_thoughts();
            }
            KeyCode::Char('g') if control => {
                effects.push(Effect::Editor(self.composer.buffer.text().to_owned()));
            }
            KeyCode::Char('m') if alone && !self.comparing() => {
                self.pick_model();
                self.ask_for_names(effects);
            }
            KeyCode::F(1) => self.screen.show_help(self.screen.help.is_none()),
            KeyCode::F(n @ 2..=6) => self.screen.toggle_zoom(Panel::ALL[usize::from(n) - 2]),
            KeyCode::F(7) => self.freeze(),
            KeyCode::F(8) => self.screen.toggle_panels(),
            KeyCode::F(9) => self.toggle_mouse(effects),
            KeyCode::Esc => self.escape(effects),
            _ => return false,
        }
        true
    }

    /// Esc closes what is on top, else stops the answer, else leaves a question that is edited as it was,
    /// else returns to the bottom.
    fn escape(&mut self, effects: &mut Vec<Effect>) {
        if self.screen.help.take().is_some() || self.search.take().is_some() {
            // The place stays.
        } else if self.comparing() {
            self.leave_comparison(effects);
        } else if self.selected.take().is_some() {
            self.conversation.scroll.to_bottom();
        } else if let Focus::Panel(panel) = self.screen.focus {
            if !self.dashboard.key(panel, KeyCode::Esc.into()) {
                self.screen.leave_panel(panel);
            }
        } else if !self.popup().is_empty() || self.themes.looked_at() {
            if !self.leave_models() {
                self.popup.dismiss(self.composer.buffer.text());
            }
        } else if self.unsend() {
            // Its files still come into the input, or not.
        } else if self.activity.phase.busy() || !self.sending.queue.is_empty() {
            self.stop(effects);
        } else if !self.cancel_edit() {
            self.conversation.scroll.to_bottom();
        }
    }

    /// Ctrl-C stops the answer, else clears the input, else (twice) leaves.
    fn interrupt(&mut self, effects: &mut Vec<Effect>) {
        let now = self.clock.now;
        let before = self.activity.interrupted;
        let again = before.is_some_and(|at| now - at < AGAIN);
        if self.activity.phase.busy() && !self.stopping() {
            self.unsend();
            self.stop(effects);
            self.activity.interrupted = Some(now);
        } else if !again && self.unsend() {
            // The message stays in the input.
        } else if !again && self.cancel_edit() {
            self.toast(Level::Info, "the question stays as it was");
        } else if !again && !self.composer.is_empty() {
            self.composer.buffer.replace(String::new());
            self.toast(Level::Info, "cleared; Ctrl-_ brings it back");
            self.unstash();
        } else if again {
            self.leave(effects);
        } else {
            self.activity.interrupted = Some(now);
            self.toast(Level::Info, "Ctrl-C again leaves");
        }
    }

    pub(super) fn leave(&mut self, effects: &mut Vec<Effect>) {
        if self.activity.phase.busy() {
            effects.push(Effect::Stop);
        }
        effects.push(Effect::Engine(Command::Shutdown));
        effects.push(Effect::Quit);
    }

    fn freeze(&mut self) {
        let said = match self.dashboard.toggle_freeze() {
            true => "panels stand still; F7 lets them go on",
            false => "panels are live again",
        };
        self.toast(Level::Info, said);
    }

    fn toggle_mouse(&mut self, effects: &mut Vec<Effect>) {
        let mouse = !self.screen.mouse;
        self.screen.mouse = mouse;
        effects.push(Effect::Mouse(mouse));
        let said = match mouse {
            true => "the mouse scrolls and picks panels",
            false => "the mouse selects text, as your terminal does it",
        };
        self.toast(Level::Info, said);
    }

    fn panel_key(&mut self, panel: Panel, key: KeyEvent) -> bool {
        if self.dashboard.key(panel, key) {
            return true;
        }
        match key.code {
            KeyCode::Tab => self.screen.cycle(1),
            KeyCode::BackTab => self.screen.cycle(-1),
            KeyCode::Char('z') => {
                self.screen.zoom = match self.screen.zoom {
                    Some(_) => None,
                    None => Some(panel),
                }
            }
            KeyCode::Char(' ') => self.freeze(),
            KeyCode::Char('?') => self.screen.show_help(true),
            // Typing goes on in the input, wherever one was.
            KeyCode::Char(_) if key.modifiers.difference(KeyModifiers::SHIFT).is_empty() => {
                self.screen.enter_input();
                return false;
            }
            _ => return false,
        }
        true
    }

    fn scroll_key(&mut self, key: KeyEvent) -> bool {
        let held = key.modifiers;
        let far = held.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        let scroll = &mut self.conversation.scroll;
        match key.code {
            KeyCode::PageUp => scroll.page(-1),
            KeyCode::PageDown => scroll.page(1),
            KeyCode::Up if held.contains(KeyModifiers::SHIFT) => scroll.by(-1),
            KeyCode::Down if held.contains(KeyModifiers::SHIFT) => scroll.by(1),
            KeyCode::Up if held.contains(KeyModifiers::ALT) => self.select(-1),
            KeyCode::Down if held.contains(KeyModifiers::ALT) => self.select(1),
            KeyCode::Home if far => scroll.to_top(),
            KeyCode::End if far => scroll.to_bottom(),
            _ => return false,
        }
        true
    }
}
