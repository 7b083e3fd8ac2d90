use super::*;
use proptest::prelude::*;

#[test]
fn a_large_paste_is_one_element_and_goes_out_whole() {
    let mut c = Composer::default();
    c.buffer.insert("see ");
    let text = "line\r\n".repeat(20);
    assert!(matches!(c.paste(&text), Pasted::Element(_)));
    c.buffer.insert("?");
    assert_eq!(c.buffer.text().chars().count(), 6);
    let draft = c.take();
    assert!(c.expand(&draft).contains(&"line\n".repeat(20)));
    assert!(c.is_empty());
    c.older();
    c.buffer.backspace();
    c.buffer.backspace();
    assert_eq!(c.buffer.text(), "see ");
    c.buffer.undo();
    assert!(c.buffer.text().chars().count() > 4);
    assert_eq!(
        c.paste(&"x".repeat(PASTE_LIMIT + 1)),
        Pasted::Refused(PASTE_LIMIT + 1)
    );
}

#[test]
fn history_keeps_the_draft() {
    let mut c = Composer::default();
    for m in ["one", "two"] {
        c.buffer.insert(m);
        c.take();
    }
    c.buffer.insert("draft");
    assert!(c.older() && c.older() && !c.older());
    assert_eq!(c.buffer.text(), "one");
    assert!(c.newer() && c.newer() && !c.newer());
    assert_eq!(c.buffer.text(), "draft");
}

/// One change or movement, by number.
fn edit(c: &mut Composer, op: u8) {
    match op {
        0 => c.buffer.insert("a"),
        1 => c.buffer.insert("é\u{301} 日"),
        2 => c.buffer.backspace(),
        3 => c.buffer.delete(),
        4 => c.buffer.left(),
        5 => c.buffer.right(),
        6 => c.buffer.word_left(),
        7 => c.buffer.word_right(),
        8 => c.buffer.kill_to_end(),
        9 => c.buffer.kill_to_start(),
        10 => c.buffer.kill_word_back(),
        11 => c.buffer.kill_word(),
        12 => c.buffer.yank(),
        13 => {
            c.paste("\u{301}x\ny");
        }
        14 => {
            c.paste(&"another ".repeat(300));
        }
        15 => {
            if let Some(tag) = c.at_caret() {
                c.exchange_element(tag, ElementKind::Paste, "cut ".repeat(9));
            }
        }
        _ => c.buffer.insert("\n"),
    }
}

/// The texts of the elements in a text, in order; `None` for a mark of nothing.
fn held(c: &Composer, text: &str) -> Vec<Option<String>> {
    let marks = text.chars().filter(|&c| element::is_mark(c));
    marks
        .map(|mark| c.elements.get(mark).map(|e| e.text.to_string()))
        .collect()
}

proptest! {
    #[test]
    fn undo_and_redo_bring_back_every_element(ops in prop::collection::vec(0u8..17, 1..60)) {
        let mut c = Composer::default();
        c.paste(&"word ".repeat(400));
        let mut states = Vec::new();
        for op in ops {
            // So that each change is one step of the undo.
            let caret = c.buffer.caret();
            c.buffer.set_caret(caret);
            let before = c.buffer.text().to_owned();
            edit(&mut c, op);
            if c.buffer.text() != before {
                let elements = held(&c, &before);
                states.push((before, elements));
            }
        }
        let last = c.buffer.text().to_owned();
        for (text, elements) in states.iter().rev() {
            while c.buffer.text() != text {
                let now = c.buffer.text().to_owned();
                c.buffer.undo();
                prop_assert!(now != c.buffer.text(), "a state is lost: {:?}", text);
            }
            prop_assert_eq!(&held(&c, text), elements);
            prop_assert!(elements.iter().all(Option::is_some));
        }
        while {
            let now = c.buffer.text().to_owned();
            c.buffer.redo();
            now != c.buffer.text()
        } {}
        prop_assert_eq!(c.buffer.text(), last);
    }

    #[test]
    fn a_walk_through_the_history_comes_back(
        sent in prop::collection::vec(prop::collection::vec(0u8..17, 1..12), 1..6),
        draft in prop::collection::vec(0u8..17, 0..12),
        steps in 1usize..8,
    ) {
        let mut c = Composer::default();
        let mut messages: Vec<(String, String)> = Vec::new();
        for ops in sent {
            c.paste(&"word ".repeat(400));
            ops.into_iter().for_each(|op| edit(&mut c, op));
            let draft = c.take();
            let whole = c.expand(&draft);
            if messages.last().is_none_or(|(raw, _)| *raw != draft.raw) {
                messages.push((draft.raw, whole));
            }
        }
        c.paste(&"draft ".repeat(300));
        draft.into_iter().for_each(|op| edit(&mut c, op));
        let written = c.buffer.text().to_owned();
        let elements = held(&c, &written);
        let mut went = 0;
        for (raw, whole) in messages.iter().rev().take(steps) {
            prop_assert!(c.older());
            went += 1;
            prop_assert_eq!(c.buffer.text(), raw);
            prop_assert_eq!(&c.elements.expand(raw), whole);
        }
        for _ in 0..went {
            prop_assert!(c.newer());
        }
        prop_assert_eq!(c.buffer.text(), &written);
        prop_assert_eq!(held(&c, &written), elements);
    }

    #[test]
    fn elements_survive_any_editing(ops in prop::collection::vec(0u8..18, 0..80)) {
        let mut c = Composer::default();
        c.paste(&"word ".repeat(400));
        for op in ops {
            match op {
                0 => c.buffer.insert("a"),
                1 => c.buffer.insert("é\u{301} 日"),
                2 => c.buffer.backspace(),
                3 => c.buffer.delete(),
                4 => c.buffer.left(),
                5 => c.buffer.right(),
                6 => c.buffer.word_left(),
                7 => c.buffer.word_right(),
                8 => c.buffer.kill_to_end(),
                9 => c.buffer.kill_word_back(),
                10 => c.buffer.yank(),
                11 => c.buffer.undo(),
                12 => c.buffer.redo(),
                13 => { c.older(); }
                14 => { c.newer(); }
                15 => { c.paste("\u{301}x\ny"); }
                16 => { let d = c.take(); c.restore(&d); }
                _ => c.buffer.insert("\n"),
            }
            let text = c.buffer.text();
            prop_assert!(text.is_char_boundary(c.buffer.caret()));
            let marks = text.chars().filter(|&ch| c.elements.get(ch).is_some()).count();
            let expanded = c.elements.expand(text);
            prop_assert_eq!(expanded.matches(&"word ".repeat(400)).count(), marks);
        }
    }
}
