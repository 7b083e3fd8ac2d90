//! Keys of the input: a line editor as every shell has it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Effect, State};
use crate::tui::composer;

impl State {
    pub(super) fn input_key(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let shift = key.modifiers.contains(KeyModifiers::SHIFT);
        if key.code == KeyCode::Char('?') && !alt && !control && self.composer.is_empty() {
            return self.screen.show_help(true);
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
            KeyCode::Tab => self.screen.cycle(1),
            KeyCode::BackTab => self.screen.cycle(-1),
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
        self.popup.typed(self.composer.buffer.text());
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
        let width = self.screen.areas.input_width();
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
