//! Terminals without bracketed paste deliver a paste as keystrokes, far faster than anyone types.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// Fewer characters than this that came at once are typing (or a machine that was busy).
pub(super) const LEAST: usize = 24;

/// Replaces a paste among events that came at once by one [`Event::Paste`]. One line with its end
/// is typing ahead; several are a paste, and the end of the last one sends nothing.
pub fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut out = Vec::with_capacity(events.len());
    let mut run: Vec<Event> = Vec::new();
    for event in events {
        match typed(&event) {
            Some(_) => run.push(event),
            None => {
                flush(&mut run, &mut out);
                out.push(event);
            }
        }
    }
    flush(&mut run, &mut out);
    out
}

fn flush(run: &mut Vec<Event>, out: &mut Vec<Event>) {
    let text: String = run.iter().filter_map(typed).collect();
    let text = super::text::safe::newlines(&text);
    let body = text.trim_end_matches('\n');
    if body.contains('\n') && body.chars().count() >= LEAST {
        run.clear();
        out.push(Event::Paste(body.to_owned()));
    } else {
        out.append(run);
    }
}

/// The character that a plain key press puts into a text; Enter is the carriage return it was.
pub(super) fn typed(event: &Event) -> Option<char> {
    let Event::Key(KeyEvent {
        code,
        modifiers,
        kind: KeyEventKind::Press,
        ..
    }) = event
    else {
        return None;
    };
    let plain = modifiers.difference(KeyModifiers::SHIFT).is_empty();
    match code {
        KeyCode::Char(c) if plain => Some(*c),
        KeyCode::Char('j') if *modifiers == KeyModifiers::CONTROL => Some('\n'),
        KeyCode::Enter if plain => Some('\r'),
        KeyCode::Tab if plain => Some('\t'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<Event> {
        let key = |c| match c {
            '\n' => KeyCode::Enter,
            c => KeyCode::Char(c),
        };
        let press = |c| Event::Key(KeyEvent::new(key(c), KeyModifiers::NONE));
        text.chars().map(press).collect()
    }

    #[test]
    fn many_lines_at_once_are_a_paste() {
        let text = "first line of a paste\nsecond line\nthird";
        assert_eq!(joined(keys(text)), [Event::Paste(text.into())]);
        let ended = joined(keys(&format!("{text}\n")));
        assert_eq!(ended, [Event::Paste(text.into())], "its end sends nothing");
    }

    #[test]
    fn line_ends_of_windows_are_one_line_end() {
        let mut events = Vec::new();
        for line in ["the first line of it", "the second line"] {
            events.extend(keys(line));
            events.extend(keys("\n"));
            let line_feed = KeyEvent::new(KeyCode::Char('j'), KeyModifiers::CONTROL);
            events.push(Event::Key(line_feed));
        }
        let text = "the first line of it\nthe second line";
        assert_eq!(joined(events), [Event::Paste(text.into())]);
    }

    #[test]
    fn typing_ahead_is_typing() {
        let text = "a whole question that was typed ahead?\n";
        assert_eq!(joined(keys(text)), keys(text));
        assert_eq!(joined(keys("y\nn\ny\n")), keys("y\nn\ny\n"));
    }

    #[test]
    fn other_keys_end_a_run() {
        let mut events = keys("/help");
        events.push(Event::Resize(80, 24));
        events.extend(keys("x"));
        assert_eq!(joined(events.clone()), events);
    }
}
