//! Keys of the comparison's view.

use crossterm::event::{KeyCode, KeyEvent};

use super::ComparisonView;
use crate::tui::conversation::Level;
use crate::tui::state::coming::NO_MODEL;
use crate::tui::state::{Effect, Phase, State};

impl State {
    /// Esc stops it, and then closes it.
    pub(in crate::tui::state) fn leave_comparison(&mut self, effects: &mut Vec<Effect>) {
        match self.activity.phase.busy() {
            true => self.stop(effects),
            false => {
                if let Some(c) = self.comparison.as_mut() {
                    c.open = false;
                }
                self.toast(Level::Info, "/compare shows it again");
            }
        }
    }

    /// Keys of the view; all of them.
    pub(in crate::tui::state) fn compare_key(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) {
        let Some(c) = self.comparison.as_mut() else {
            return;
        };
        let last = c.columns.len().saturating_sub(1);
        c.picked |= matches!(
            key.code,
            KeyCode::Left | KeyCode::Right | KeyCode::Tab | KeyCode::BackTab
        );
        match key.code {
            KeyCode::Left | KeyCode::BackTab => c.column = c.column.saturating_sub(1),
            KeyCode::Right | KeyCode::Tab => c.column = (c.column + 1).min(last),
            KeyCode::Up => c.top = c.top.saturating_sub(1),
            KeyCode::Down => c.top += 1,
            KeyCode::PageUp => c.top = c.top.saturating_sub(8),
            KeyCode::PageDown | KeyCode::Char(' ') => c.top += 8,
            KeyCode::Home => c.top = 0,
            KeyCode::Char('?') => self.screen.show_help(true),
            KeyCode::Char('q') => self.leave_comparison(effects),
            _ if self.activity.phase.busy() => {}
            KeyCode::Char(n @ '1'..='9') => self.keep(n as usize - '1' as usize, effects),
            KeyCode::Char('y') => {
                if let Some(text) = self.comparison_markdown() {
                    self.put_on_clipboard(text, effects);
                }
            }
            KeyCode::Char('r') if self.activity.phase == Phase::Ended => {
                self.toast(Level::Warning, NO_MODEL);
            }
            KeyCode::Char('r') if self.activity.phase.waiting() => {
                self.toast(Level::Warning, "the model is not ready yet");
            }
            KeyCode::Char('r') => {
                let asked = ComparisonView::clone(c);
                self.start_comparison(asked, effects);
            }
            _ => {}
        }
    }
}
