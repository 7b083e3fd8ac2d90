//! The tokens panel: where every token is.

use crossterm::event::KeyCode;

use super::fixture::{SMOL, draw, look, theme};
use super::{SIDE, golden, press, sheet};
use crate::engine::event::{Event, Mode};
use crate::tui::golden::{Sheet, text};
use crate::tui::panel::{Look, Panel, Panels};
use crate::tui::theme::Depth;

#[test]
fn tokens() {
    let mut out = Sheet::default();
    let mut panels = Panels::default();
    let o = SMOL.conversation();
    golden(&mut out, "tokens", &panels, Panel::Tokens, &o, false);
    let theme = theme(Depth::True);
    let at = |panels: &Panels, look: Look| text(&draw(panels, Panel::Tokens, &o, (60, 16), look));
    let focus = Look {
        focused: true,
        ..look(&theme)
    };
    // From the end to the beginning and back down by lines, pages and clicks.
    assert!(at(&panels, focus).contains("#7,839"));
    press(&mut panels, Panel::Tokens, &o, &[KeyCode::Home]);
    assert!(at(&panels, focus).contains("#0 \"<|im_start|>\" · held by 90 of 90 heads"));
    press(
        &mut panels,
        Panel::Tokens,
        &o,
        &[KeyCode::Down, KeyCode::Down, KeyCode::Down, KeyCode::Right],
    );
    golden(&mut out, "tokens_cursor", &panels, Panel::Tokens, &o, true);
    let area = ratatui::layout::Rect::new(10, 10, 60, 16);
    panels.click(Panel::Tokens, area, 10 + 30, 10, &o);
    assert!(at(&panels, focus).contains("#3,920"));
    press(&mut panels, Panel::Tokens, &o, &[KeyCode::End]);
    assert!(at(&panels, focus).contains("#7,839"));
    // Pictures without a count of holders leave the last one standing.
    let mut later = o.clone();
    let mut picture = o.picture.clone();
    picture.holders.clear();
    later.picture(picture, 99.0);
    assert_eq!(later.picture.holders, o.picture.holders);
    // A part of it is not archived: nothing brings back what was dropped there.
    let mut lost = o.clone();
    lost.event(&SMOL.archived(7700), 99.0, "");
    lost.picture.holders.drain(..7600);
    lost.picture.holders.resize(7840, 0);
    golden(
        &mut out,
        "tokens_lost",
        &Panels::default(),
        Panel::Tokens,
        &lost,
        false,
    );
    let mut off = o.clone();
    off.event(&Event::Archive(Box::default()), 99.0, "");
    off.archive.mode = Mode::Off;
    let mut other = sheet(&panels, Panel::Tokens, &off, &SIDE, look(&theme));
    other += &sheet(&panels, Panel::Tokens, &SMOL.ready(), &SIDE, look(&theme));
    let mut wide = SMOL.ready();
    let words = [
        "日本語",
        "の",
        "文章",
        " e\u{301}\u{1b}[31m",
        "👩‍👩‍👧",
        "\n\n",
        "end",
    ];
    wide.event(&Event::Tokens(words.map(str::to_owned).to_vec()), 0.0, "");
    other += &sheet(&panels, Panel::Tokens, &wide, &[(9, 7), (28, 7)], focus);
    insta::assert_snapshot!("tokens", out.finish());
    insta::assert_snapshot!("tokens_other", other);
}
