//! Keys. From the outermost layer to the innermost: always, help, panels, popup, input.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{Effect, Focus, State};
use crate::engine::event::Command;
use crate::tui::composer;
use crate::tui::conversation::Level;
use crate::tui::panel::Panel;

/// Two Ctrl-C within this many seconds leave.
const AGAIN: f64 = 2.0;

impl State {
    pub(super) fn key(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        if self.global(key, effects) {
            return;
        }
        if self.help {
            return self.help_key(key);
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
        if let Focus::Panel(panel) = self.focus
            && self.panel_key(panel, key)
        {
            return;
        }
        if self.scroll_key(key) {
            return;
        }
        if !self.popup_key(key, effects) {
            self.input_key(key, effects);
        }
        self.list_files(effects);
        self.preview = self.previewed();
    }

    /// The theme under the popup's cursor, or the one that is typed whole.
    fn previewed(&self) -> Option<usize> {
        let typed = self.composer.buffer.text().strip_prefix("/theme ")?;
        let lines = self.popup();
        let chosen = self
            .choice
            .and_then(|c| lines.get(c))
            .map(|l| l.label.as_str());
        let name = chosen.unwrap_or(typed);
        self.themes.iter().position(|t| t.name == name)
    }

    /// Keys that mean the same everywhere.
    fn global(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
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
            KeyCode::Char('g') if control => {
                effects.push(Effect::Editor(self.composer.buffer.text().to_owned()));
            }
            KeyCode::F(1) => self.show_help(!self.help),
            KeyCode::F(n @ 2..=6) => {
                let panel = Panel::ALL[usize::from(n) - 2];
                let open = self.zoom == Some(panel);
                self.zoom = (!open).then_some(panel);
                self.focus = if open {
                    Focus::Input
                } else {
                    Focus::Panel(panel)
                };
                self.help = false;
            }
            KeyCode::F(7) => self.freeze(),
            KeyCode::F(8) => {
                self.panels_open = !self.panels_open;
                self.focus = Focus::Input;
                self.zoom = None;
            }
            KeyCode::F(9) => {
                self.mouse = !self.mouse;
                effects.push(Effect::Mouse(self.mouse));
                self.toast(
                    Level::Info,
                    match self.mouse {
                        true => "the mouse scrolls and picks panels",
                        false => "the mouse selects text, as your terminal does it",
                    },
                );
            }
            KeyCode::Esc => self.escape(effects),
            _ => return false,
        }
        true
    }

    pub(super) fn show_help(&mut self, open: bool) {
        (self.help, self.help_top) = (open, 0);
    }

    /// The help scrolls; every other key closes it.
    fn help_key(&mut self, key: KeyEvent) {
        match key.code {
            KeyCode::Down => self.help_top += 1,
            KeyCode::Up => self.help_top = self.help_top.saturating_sub(1),
            KeyCode::PageDown => self.help_top += 8,
            KeyCode::PageUp => self.help_top = self.help_top.saturating_sub(8),
            _ => self.help = false,
        }
        // Beyond any list of ours.
        self.help_top = self.help_top.min(64);
    }

    /// Esc closes what is on top, else stops the answer, else returns to the bottom.
    fn escape(&mut self, effects: &mut Vec<Effect>) {
        if self.help {
            self.help = false;
        } else if self.search.take().is_some() {
            // The place stays.
        } else if self.comparing() {
            self.leave_comparison(effects);
        } else if self.selected.take().is_some() {
            self.conversation.scroll.to_bottom();
        } else if let Focus::Panel(panel) = self.focus {
            let key = KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE);
            let observed = self.frozen.as_deref().unwrap_or(&self.observed);
            if !self.panels.key(panel, key, observed) {
                if self.zoom.take().is_none() || !self.areas.has(panel) {
                    self.focus = Focus::Input;
                }
                if self.zoom.is_none() && self.size.0 < crate::tui::areas::SIDE_FROM {
                    self.focus = Focus::Input;
                }
            }
        } else if !self.popup().is_empty() {
            self.dismissed = Some(self.composer.buffer.text().to_owned());
            self.choice = None;
        } else if self.phase.busy() || !self.queue.is_empty() {
            self.stop(effects);
        } else {
            self.conversation.scroll.to_bottom();
        }
    }

    /// Ctrl-C stops the answer, else clears the input, else (twice) leaves.
    fn interrupt(&mut self, effects: &mut Vec<Effect>) {
        let again = self.armed.is_some_and(|at| self.now - at < AGAIN);
        if self.phase.busy() && !self.stopping() {
            self.stop(effects);
            self.armed = Some(self.now);
        } else if !again && !self.composer.is_empty() {
            self.composer.buffer.replace(String::new());
            self.toast(Level::Info, "cleared; Ctrl-_ brings it back");
        } else if again {
            self.leave(effects);
        } else {
            self.armed = Some(self.now);
            self.toast(Level::Info, "Ctrl-C again leaves");
        }
    }

    pub(super) fn leave(&mut self, effects: &mut Vec<Effect>) {
        if self.phase.busy() {
            effects.push(Effect::Stop);
        }
        effects.push(Effect::Engine(Command::Shutdown));
        effects.push(Effect::Quit);
    }

    fn freeze(&mut self) {
        match self.frozen.take() {
            Some(_) => self.toast(Level::Info, "panels are live again"),
            None => {
                self.frozen = Some(Box::new(self.observed.clone()));
                self.toast(Level::Info, "panels stand still; F7 lets them go on");
            }
        }
    }

    fn panel_key(&mut self, panel: Panel, key: KeyEvent) -> bool {
        let observed = self.frozen.as_deref().unwrap_or(&self.observed);
        if self.panels.key(panel, key, observed) {
            return true;
        }
        match key.code {
            KeyCode::Tab => self.cycle(1),
            KeyCode::BackTab => self.cycle(-1),
            KeyCode::Char('z') => {
                self.zoom = match self.zoom {
                    Some(_) => None,
                    None => Some(panel),
                }
            }
            KeyCode::Char(' ') => self.freeze(),
            KeyCode::Char('?') => self.show_help(true),
            // Typing goes on in the input, wherever one was.
            KeyCode::Char(_) if key.modifiers.difference(KeyModifiers::SHIFT).is_empty() => {
                self.focus = Focus::Input;
                self.zoom = None;
                return false;
            }
            _ => return false,
        }
        true
    }

    /// Focus goes round: the input and the panels on the screen.
    fn cycle(&mut self, step: isize) {
        let panels = match self.zoom {
            Some(_) => Panel::ALL.to_vec(),
            None => self.areas.panels(),
        };
        let mut ring = vec![Focus::Input];
        ring.extend(panels.into_iter().map(Focus::Panel));
        if self.zoom.is_some() {
            ring.remove(0);
        }
        let at = ring.iter().position(|f| *f == self.focus).unwrap_or(0) as isize;
        self.focus = ring[(at + step).rem_euclid(ring.len() as isize) as usize];
        if let (Some(_), Focus::Panel(panel)) = (self.zoom, self.focus) {
            self.zoom = Some(panel);
        }
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

    fn popup_key(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) -> bool {
        let lines = self.popup();
        if lines.is_empty() {
            self.choice = None;
            return false;
        }
        let last = lines.len() - 1;
        match key.code {
            KeyCode::Down => self.choice = Some(self.choice.map_or(0, |c| (c + 1).min(last))),
            KeyCode::Up if self.choice.is_some() => {
                self.choice = self.choice.and_then(|c| c.checked_sub(1));
            }
            KeyCode::Tab if self.refusal_choices().is_some() => return false,
            KeyCode::Tab => self.complete(&lines[self.choice.unwrap_or(0).min(last)].text),
            KeyCode::Enter if key.modifiers.is_empty() && self.refusal_choices().is_some() => {
                match self.choice {
                    Some(at) => self.choose(at.min(last), effects),
                    None => return false,
                }
            }
            KeyCode::Enter if key.modifiers.is_empty() => match self.choice {
                Some(at) => {
                    let text = &lines[at.min(last)].text;
                    self.complete(text);
                    if text.starts_with('/') && !text.ends_with([' ', '/']) {
                        self.send(effects);
                    }
                }
                None => return false,
            },
            _ => {
                self.choice = None;
                return false;
            }
        }
        true
    }

    fn complete(&mut self, text: &str) {
        self.composer.buffer.replace(text.to_owned());
        self.choice = None;
    }

    fn input_key(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let shift = key.modifiers.contains(KeyModifiers::SHIFT);
        if key.code == KeyCode::Char('?') && !alt && !control && self.composer.is_empty() {
            return self.show_help(true);
        }
        let input = &mut self.composer.buffer;
        match key.code {
            KeyCode::Enter if shift || alt || control => input.insert("\n"),
            KeyCode::Enter if input.text()[..input.caret()].ends_with('\\') => {
                // A backslash at the end goes on in a new line, as in a shell.
                input.backspace();
                input.insert("\n");
            }
            KeyCode::Enter => self.send(effects),
            KeyCode::Char('j') if control => input.insert("\n"),
            KeyCode::Tab => self.cycle(1),
            KeyCode::BackTab => self.cycle(-1),
            KeyCode::Backspace if control || alt => input.kill_word_back(),
            KeyCode::Backspace => input.backspace(),
            KeyCode::Delete if control || alt => input.kill_word(),
            KeyCode::Delete => input.delete(),
            KeyCode::Left if control || alt => input.word_left(),
            KeyCode::Right if control || alt => input.word_right(),
            KeyCode::Left => input.left(),
            KeyCode::Right => input.right(),
            KeyCode::Home => input.set_caret(input.line_start()),
            KeyCode::End => input.set_caret(input.line_end()),
            KeyCode::Up => self.vertical(-1),
            KeyCode::Down => self.vertical(1),
            KeyCode::Char(c) if control => self.control_key(c),
            KeyCode::Char(c) if alt => match c {
                'b' => input.word_left(),
                'f' => input.word_right(),
                'd' => input.kill_word(),
                '_' | '/' | 'z' => input.redo(),
                '<' => self.conversation.scroll.to_top(),
                '>' => self.conversation.scroll.to_bottom(),
                _ => {}
            },
            KeyCode::Char(c) => {
                let text = composer::typed(c);
                input.insert(text.encode_utf8(&mut [0; 4]));
            }
            _ => {}
        }
        if self.dismissed.as_deref() != Some(self.composer.buffer.text()) {
            self.dismissed = None;
        }
    }

    /// Emacs' keys, as every shell has them.
    fn control_key(&mut self, c: char) {
        let input = &mut self.composer.buffer;
        match c {
            'a' => input.set_caret(input.line_start()),
            'e' => input.set_caret(input.line_end()),
            'b' => input.left(),
            'f' => input.right(),
            'd' => input.delete(),
            'h' => input.backspace(),
            'k' => input.kill_to_end(),
            'u' => input.kill_to_start(),
            'w' => input.kill_word_back(),
            'y' => input.yank(),
            // Terminals send Ctrl-_ as Ctrl-7, Ctrl-/ or itself.
            '_' | '7' | '/' | '-' => input.undo(),
            'p' => {
                self.composer.older();
            }
            'n' => {
                self.composer.newer();
            }
            _ => {}
        }
    }

    /// Up and down go through the input's rows, and past them through the history.
    fn vertical(&mut self, step: isize) {
        let width = self.areas.input_width();
        let buffer = &self.composer.buffer;
        let (rows, (row, column)) = composer::layout(
            buffer.text(),
            buffer.caret(),
            &self.composer.elements,
            self.context(),
            width,
        );
        match row.checked_add_signed(step).and_then(|r| rows.get(r)) {
            Some(target) => {
                let at = target.offset(column);
                self.composer.buffer.set_caret(at);
            }
            None if step < 0 => {
                self.composer.older();
            }
            None => {
                self.composer.newer();
            }
        }
    }
}
