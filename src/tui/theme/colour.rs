//! Colours as theme files write them, reduced to what the terminal can show.

use ratatui::style::Color;

use super::depth::Depth;

pub type Rgb = (u8, u8, u8);

/// A colour of a theme file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// The terminal's own.
    Default,
    Rgb(Rgb),
    /// One of the terminal's sixteen.
    Ansi(usize),
}

/// Names of the terminal's sixteen colours, in their order.
const NAMES: [&str; 8] = [
    "black", "red", "green", "yellow", "blue", "magenta", "cyan", "white",
];

impl Ink {
    /// `#rrggbb`, `default`, or a name of the sixteen (`red`, `bright-red`).
    pub fn parse(text: &str) -> Option<Ink> {
        if text == "default" {
            return Some(Ink::Default);
        }
        let (name, bright) = match text.strip_prefix("bright-") {
            Some(name) => (name, 8),
            None => (text, 0),
        };
        if let Some(n) = NAMES.iter().position(|&n| n == name) {
            return Some(Ink::Ansi(n + bright));
        }
        let hex = text
            .strip_prefix('#')
            .filter(|h| h.len() == 6 && h.bytes().all(|b| b.is_ascii_hexdigit()))?;
        let n = u32::from_str_radix(hex, 16).ok()?;
        Some(Ink::Rgb(((n >> 16) as u8, (n >> 8) as u8, n as u8)))
    }

    /// The colour as it is, or as most terminals show it.
    pub fn rgb(self) -> Option<Rgb> {
        match self {
            Ink::Default => None,
            Ink::Rgb(c) => Some(c),
            Ink::Ansi(n) => ANSI.get(n).map(|a| a.1),
        }
    }

    /// The colour for a terminal that shows `depth`.
    pub fn reduce(self, depth: Depth) -> Color {
        match (self, depth) {
            (Ink::Default, _) | (_, Depth::None) => Color::Reset,
            (Ink::Ansi(n), _) => ANSI.get(n).map_or(Color::Reset, |a| a.0),
            (Ink::Rgb(c), Depth::Ansi16) => ansi16(c),
            (Ink::Rgb(c), Depth::Ansi256) => ansi256(c),
            (Ink::Rgb((r, g, b)), Depth::True) => Color::Rgb(r, g, b),
        }
    }
}

/// The sixteen colours as most terminals show them.
const ANSI: [(Color, Rgb); 16] = [
    (Color::Black, (0, 0, 0)),
    (Color::Red, (187, 60, 60)),
    (Color::Green, (60, 170, 80)),
    (Color::Yellow, (200, 170, 60)),
    (Color::Blue, (60, 90, 190)),
    (Color::Magenta, (170, 80, 170)),
    (Color::Cyan, (60, 170, 180)),
    (Color::Gray, (200, 200, 200)),
    (Color::DarkGray, (105, 105, 105)),
    (Color::LightRed, (240, 110, 110)),
    (Color::LightGreen, (120, 220, 140)),
    (Color::LightYellow, (250, 225, 120)),
    (Color::LightBlue, (120, 160, 250)),
    (Color::LightMagenta, (225, 140, 225)),
    (Color::LightCyan, (120, 225, 230)),
    (Color::White, (255, 255, 255)),
];

fn distance(a: Rgb, b: Rgb) -> u32 {
    let d = |x: u8, y: u8| (i32::from(x) - i32::from(y)).pow(2) as u32;
    2 * d(a.0, b.0) + 4 * d(a.1, b.1) + 3 * d(a.2, b.2)
}

fn ansi16(c: Rgb) -> Color {
    ANSI.iter()
        .min_by_key(|(_, rgb)| distance(c, *rgb))
        .map_or(Color::Reset, |(name, _)| *name)
}

fn ansi256((r, g, b): Rgb) -> Color {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let near = |v: u8| (0..6).min_by_key(|&i| STEPS[i].abs_diff(v)).unwrap_or(0);
    let (i, j, k) = (near(r), near(g), near(b));
    let cube = (STEPS[i], STEPS[j], STEPS[k]);
    let mean = (u32::from(r) + u32::from(g) + u32::from(b)) / 3;
    let step = (mean.saturating_sub(8) / 10).min(23) as u8;
    let grey = 8 + 10 * step;
    if distance((r, g, b), (grey, grey, grey)) < distance((r, g, b), cube) {
        Color::Indexed(232 + step)
    } else {
        Color::Indexed((16 + 36 * i + 6 * j + k) as u8)
    }
}

/// `share` of `b` in `a`.
pub fn mix(a: Rgb, b: Rgb, share: f32) -> Rgb {
    let one = |a: u8, b: u8| (f32::from(a) + (f32::from(b) - f32::from(a)) * share).round() as u8;
    (one(a.0, b.0), one(a.1, b.1), one(a.2, b.2))
}

/// How bright a colour is to the eye, 0–1 (relative luminance as WCAG has it).
pub fn luminance((r, g, b): Rgb) -> f64 {
    let linear = |v: u8| {
        let v = f64::from(v) / 255.0;
        if v <= 0.04045 {
            v / 12.92
        } else {
            ((v + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_and_reduced() {
        let orange = Ink::parse("#ff8800").unwrap();
        assert_eq!(orange.reduce(Depth::True), Color::Rgb(255, 136, 0));
        assert_eq!(orange.reduce(Depth::Ansi256), Color::Indexed(208));
        assert_eq!(orange.reduce(Depth::None), Color::Reset);
        let red = Ink::parse("bright-red").unwrap();
        assert_eq!(red.reduce(Depth::True), Color::LightRed);
        assert_eq!(red.reduce(Depth::Ansi16), Color::LightRed);
        for bad in ["#ff88", "#+12345", "pink", "bright-", "", "bright-#ff8800"] {
            assert_eq!(Ink::parse(bad), None, "{bad}");
        }
    }
}
