//! Alt with an arrow, as older terminals send it: an escape before the arrow's own sequence
//! (`ESC ESC [ A`). It arrives as Esc and the sequence's characters, all at once; nobody types
//! that fast.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// Puts such keys together again. Everything else stays as it is, a lone Esc too.
pub fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut out = Vec::with_capacity(events.len());
    let mut rest = &events[..];
    while let Some((first, behind)) = rest.split_first() {
        match escape(first).then(|| sequence(behind)).flatten() {
            Some((key, taken)) => {
                out.push(Event::Key(key));
                rest = &behind[taken..];
            }
            None => {
                out.push(first.clone());
                rest = behind;
            }
        }
    }
    out
}

/// A plain Esc.
pub fn escape(event: &Event) -> bool {
    matches!(event, Event::Key(KeyEvent { code: KeyCode::Esc, modifiers, kind: KeyEventKind::Press, .. })
        if modifiers.is_empty())
}

/// The key whose sequence stands at the beginning, and how many events it takes.
fn sequence(events: &[Event]) -> Option<(KeyEvent, usize)> {
    let mut parameters = String::new();
    let introducer = character(events.first()?)?;
    if introducer != '[' && introducer != 'O' {
        return None;
    }
    // No such sequence is longer.
    for (i, event) in events.iter().enumerate().take(8).skip(1) {
        match character(event)? {
            c @ ('0'..='9' | ';') if introducer == '[' => parameters.push(c),
            last => return Some((key(&parameters, last)?, i + 1)),
        }
    }
    None
}

fn character(event: &Event) -> Option<char> {
    match event {
        Event::Key(KeyEvent {
            code: KeyCode::Char(c),
            modifiers,
            kind: KeyEventKind::Press,
            ..
        }) if modifiers.difference(KeyModifiers::SHIFT).is_empty() => Some(*c),
        _ => None,
    }
}

/// `1;5A` and its like.
fn key(parameters: &str, last: char) -> Option<KeyEvent> {
    let (number, held) = parameters.split_once(';').unwrap_or((parameters, ""));
    let code = match (last, number) {
        ('A', _) => KeyCode::Up,
        ('B', _) => KeyCode::Down,
        ('C', _) => KeyCode::Right,
        ('D', _) => KeyCode::Left,
        ('H', _) | ('~', "1" | "7") => KeyCode::Home,
        ('F', _) | ('~', "4" | "8") => KeyCode::End,
        ('~', "3") => KeyCode::Delete,
        ('~', "5") => KeyCode::PageUp,
        ('~', "6") => KeyCode::PageDown,
        _ => return None,
    };
    let held = held.parse::<u8>().unwrap_or(1).saturating_sub(1);
    let mut modifiers = KeyModifiers::ALT;
    modifiers.set(KeyModifiers::SHIFT, held & 1 > 0);
    modifiers.set(KeyModifiers::CONTROL, held & 4 > 0);
    Some(KeyEvent::new(code, modifiers))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events as crossterm makes them of `ESC ESC` and what follows.
    fn events(text: &str) -> Vec<Event> {
        let key = |c: char| match c {
            '\x1b' => KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE),
            c if c.is_uppercase() => KeyEvent::new(KeyCode::Char(c), KeyModifiers::SHIFT),
            c => KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE),
        };
        text.chars().map(|c| Event::Key(key(c))).collect()
    }

    #[test]
    fn alt_with_an_arrow_of_an_older_terminal() {
        let alt = |code| Event::Key(KeyEvent::new(code, KeyModifiers::ALT));
        for (text, code) in [
            ("\x1b[A", KeyCode::Up),
            ("\x1bOB", KeyCode::Down),
            ("\x1b[3~", KeyCode::Delete),
            ("\x1b[5~", KeyCode::PageUp),
            ("\x1b[F", KeyCode::End),
        ] {
            assert_eq!(joined(events(text)), [alt(code)], "{text:?}");
        }
        let both = KeyModifiers::ALT | KeyModifiers::SHIFT;
        let shifted = Event::Key(KeyEvent::new(KeyCode::Up, both));
        assert_eq!(joined(events("\x1b[1;2A")), [shifted]);
        let twice = [alt(KeyCode::Up), alt(KeyCode::Up)];
        assert_eq!(joined(events("\x1b[A\x1b[A")), twice);
    }

    #[test]
    fn an_escape_and_what_is_typed_behind_it_stay() {
        for text in [
            "\x1b",
            "\x1b\x1b",
            "\x1bhello",
            "[A",
            "\x1b[",
            "\x1b[x",
            "\x1b[1;1;1;1;1;1A",
            "O",
        ] {
            assert_eq!(joined(events(text)), events(text), "{text:?}");
        }
    }
}
