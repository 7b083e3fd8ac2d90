//! Prints panels as a terminal would show them, for a person to look at:
//! `PANEL_THEME=cachat-light cargo test --lib photograph -- --ignored --nocapture`

use std::fmt::Write;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::{Block, BorderType, Widget};

use super::fixture::{SMOL, Shape};
use crate::tui::panel::{Look, Panel, Panels};
use crate::tui::theme::{Depth, Theme};

fn sgr(c: Color, ground: bool) -> String {
    let base = if ground { 40 } else { 30 };
    let named = |n: u8| match n {
        0..8 => (base + n).to_string(),
        _ => (base + 60 + n - 8).to_string(),
    };
    match c {
        Color::Rgb(r, g, b) => format!("{};2;{r};{g};{b}", base + 8),
        Color::Indexed(n) => format!("{};5;{n}", base + 8),
        Color::Black => named(0),
        Color::Red => named(1),
        Color::Green => named(2),
        Color::Yellow => named(3),
        Color::Blue => named(4),
        Color::Magenta => named(5),
        Color::Cyan => named(6),
        Color::Gray => named(7),
        Color::DarkGray => named(8),
        Color::LightRed => named(9),
        Color::LightGreen => named(10),
        Color::LightYellow => named(11),
        Color::LightBlue => named(12),
        Color::LightMagenta => named(13),
        Color::LightCyan => named(14),
        Color::White => named(15),
        Color::Reset => (base + 9).to_string(),
    }
}

fn ansi(buf: &Buffer) -> String {
    let mut out = String::from("\x1b[2J\x1b[H\x1b[?25l");
    for y in 0..buf.area.height {
        let _ = write!(out, "\x1b[{};1H", y + 1);
        for x in 0..buf.area.width {
            let cell = &buf[(x, y)];
            let mut codes = format!("0;{};{}", sgr(cell.fg, false), sgr(cell.bg, true));
            for (flag, code) in [
                (Modifier::BOLD, ";1"),
                (Modifier::DIM, ";2"),
                (Modifier::UNDERLINED, ";4"),
                (Modifier::REVERSED, ";7"),
                (Modifier::CROSSED_OUT, ";9"),
            ] {
                if cell.modifier.contains(flag) {
                    codes.push_str(code);
                }
            }
            let _ = write!(out, "\x1b[{codes}m{}", cell.symbol());
        }
    }
    out.push_str("\x1b[0m");
    out
}

fn var(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.into())
}

/// `PANEL_SIZE=120x40`, `PANEL_SHOW=budgets:26x8,memory:40x9+focus,…`, laid out from the left.
#[test]
#[ignore = "for people"]
fn photograph() {
    let depth = match var("PANEL_DEPTH", "true").as_str() {
        "none" => Depth::None,
        "16" => Depth::Ansi16,
        "256" => Depth::Ansi256,
        _ => Depth::True,
    };
    let theme = Theme::built_in(&var("PANEL_THEME", "cachat-dark"), depth).expect("a theme");
    let pair = |s: &str| -> (u16, u16) {
        let (w, h) = s.split_once('x').expect("WxH");
        (w.parse().expect("W"), h.parse().expect("H"))
    };
    let (w, h) = pair(&var("PANEL_SIZE", "120x40"));
    let mut buf = Buffer::empty(Rect::new(0, 0, w, h));
    buf.set_style(buf.area, Style::new().bg(theme.background).fg(theme.text));
    let wide = Shape {
        layers: 32,
        heads: 32,
        budget: 512,
    };
    let observed = match var("PANEL_DATA", "talk").as_str() {
        "wide" => wide.conversation(),
        "prefill" => {
            let mut o = SMOL.ready();
            for n in 0..=17 {
                SMOL.prefilling(&mut o, 7440, n, 1.0 + 0.3 * n as f64);
            }
            o
        }
        "ready" => SMOL.ready(),
        "none" => Default::default(),
        _ => SMOL.conversation(),
    };
    let (mut x, mut y, mut column) = (0, 0, 0);
    for item in var("PANEL_SHOW", "budgets:42x19,memory:42x11,evictions:42x9").split(',') {
        let mut parts = item.split(['+']);
        let (name, size) = parts
            .next()
            .and_then(|p| p.split_once(':'))
            .expect("name:WxH");
        let flags: Vec<&str> = parts.collect();
        let panel = Panel::ALL
            .into_iter()
            .find(|p| p.title() == name)
            .expect("a panel");
        let (pw, ph) = pair(size);
        if y + ph > h {
            (x, y, column) = (x + column, 0, 0);
        }
        let area = Rect::new(x, y, pw, ph).intersection(buf.area);
        let focused = flags.contains(&"focus");
        let mut panels = Panels::default();
        for flag in &flags {
            for key in flag.chars().filter(|_| flag.len() == 1) {
                let code = match key {
                    '!' => KeyCode::Enter,
                    '<' => KeyCode::Home,
                    '>' => KeyCode::End,
                    'v' => KeyCode::PageDown,
                    'k' => KeyCode::Up,
                    'j' => KeyCode::Down,
                    'h' => KeyCode::Left,
                    'l' => KeyCode::Right,
                    c => KeyCode::Char(c),
                };
                panels.key(panel, KeyEvent::from(code), &observed);
            }
        }
        let border = if focused { theme.accent } else { theme.border };
        let block = Block::bordered()
            .border_type(BorderType::Rounded)
            .border_style(Style::new().fg(border))
            .title(format!(" {} ", panel.title()))
            .title_top(
                ratatui::text::Line::from(format!(" {} ", panels.summary(panel, &observed)))
                    .right_aligned(),
            );
        let inner = block.inner(area);
        block.render(area, &mut buf);
        let look = Look {
            theme: &theme,
            focused,
            zoomed: pw >= w && ph >= h,
            ascii: flags.contains(&"ascii"),
        };
        panels.render(panel, &observed, inner, &mut buf, look);
        y += ph;
        column = column.max(pw);
    }
    println!("{}", ansi(&buf));
}
