//! Colours: TOML files in `themes/`, reduced to what the terminal can show.

use std::collections::BTreeMap;

use ratatui::style::Color;
use serde::Deserialize;

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// No colour at all (`NO_COLOR`, `TERM=dumb`): shades and attributes only.
    None,
    Ansi16,
    Ansi256,
    True,
}

impl Depth {
    /// From the environment (`NO_COLOR`, `COLORTERM`, `TERM`); `get` looks a variable up.
    pub fn detect(get: impl Fn(&str) -> Option<String>) -> Depth {
        if get("NO_COLOR").is_some_and(|v| !v.is_empty()) {
            return Depth::None;
        }
        let term = get("TERM").unwrap_or_default();
        let colorterm = get("COLORTERM").unwrap_or_default();
        if term == "dumb" {
            Depth::None
        } else if colorterm.contains("truecolor")
            || colorterm.contains("24bit")
            || term.contains("direct")
        {
            Depth::True
        } else if term.contains("256")
            || ["kitty", "ghostty", "foot"]
                .iter()
                .any(|t| term.contains(t))
        {
            Depth::Ansi256
        } else {
            Depth::Ansi16
        }
    }
}

/// Errors in a theme file.
#[derive(Debug, thiserror::Error)]
pub enum ThemeError {
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    #[error("`{field}`: `{value}` is neither #rrggbb, nor `default`, nor a name in [palette]")]
    Colour { field: String, value: String },
    #[error("`heat` needs at least two colours")]
    Heat,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    #[serde(default)]
    dark: bool,
    palette: BTreeMap<String, String>,
    ui: BTreeMap<String, String>,
    heat: Vec<String>,
}

macro_rules! theme {
    ($($(#[$doc:meta])* $field:ident),* $(,)?) => {
        /// Every colour of the screen, as the terminal can show it.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Theme {
            pub name: String,
            pub dark: bool,
            pub depth: Depth,
            heat: Vec<Rgb>,
            $($(#[$doc])* pub $field: Color,)*
        }

        impl Theme {
            /// Reads a theme file.
            ///
            /// # Errors
            /// Names the field that cannot be read.
            pub fn parse(source: &str, depth: Depth) -> Result<Theme, ThemeError> {
                let file: File = toml::from_str(source)?;
                let lookup = |field: &str| -> Result<Option<Rgb>, ThemeError> {
                    let value = file.ui.get(field).map_or("default", String::as_str);
                    resolve(field, value, &file.palette)
                };
                let heat = file.heat.iter()
                    .map(|v| resolve("heat", v, &file.palette).map(|c| c.unwrap_or_default()))
                    .collect::<Result<Vec<Rgb>, _>>()?;
                if heat.len() < 2 {
                    return Err(ThemeError::Heat);
                }
                Ok(Theme {
                    depth,
                    dark: file.dark,
                    $($field: reduce(lookup(stringify!($field))?, depth),)*
                    heat,
                    name: file.name,
                })
            }
        }
    };
}

theme! {
    /// Behind everything; `default` leaves the terminal's own.
    background,
    /// Answers and whatever is read.
    text,
    /// Labels and secondary text.
    dim,
    /// Hints, rules, empty tracks.
    faint,
    border,
    /// Title of a panel.
    title,
    /// Border and title of the focused panel, the caret's prompt, list markers.
    accent,
    /// The name before the user's messages.
    user,
    /// The name before the model's answers.
    assistant,
    heading,
    link,
    quote,
    code,
    code_background,
    /// Pasted documents in the input and the conversation.
    chip,
    chip_background,
    /// Selected row of a list or popup.
    selection,
    /// The filled part of progress bars and graphs.
    bar,
    /// Behind bars: what a full cache would take, what is not done yet.
    track,
    good,
    warning,
    bad,
}

type Rgb = (u8, u8, u8);

fn resolve(
    field: &str,
    value: &str,
    palette: &BTreeMap<String, String>,
) -> Result<Option<Rgb>, ThemeError> {
    let bad = || ThemeError::Colour {
        field: field.to_owned(),
        value: value.to_owned(),
    };
    let text = palette.get(value).map_or(value, String::as_str);
    if text == "default" {
        return Ok(None);
    }
    let hex = text
        .strip_prefix('#')
        .filter(|h| h.len() == 6 && h.is_ascii())
        .ok_or_else(bad)?;
    let n = u32::from_str_radix(hex, 16).map_err(|_| bad())?;
    Ok(Some(((n >> 16) as u8, (n >> 8) as u8, n as u8)))
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

fn reduce(colour: Option<Rgb>, depth: Depth) -> Color {
    match (colour, depth) {
        (None, _) | (_, Depth::None) => Color::Reset,
        (Some(c), Depth::Ansi16) => ansi16(c),
        (Some(c), Depth::Ansi256) => ansi256(c),
        (Some((r, g, b)), Depth::True) => Color::Rgb(r, g, b),
    }
}

impl Theme {
    /// The colour for kept ÷ uniform budget: 0 is the scale's start, 1 its middle, 2 its end.
    pub fn heat(&self, ratio: f32) -> Color {
        let t = (ratio / 2.0).clamp(0.0, 1.0) * (self.heat.len() - 1) as f32;
        let i = (t as usize).min(self.heat.len() - 2);
        let f = t - i as f32;
        let mix = |a: u8, b: u8| (f32::from(a) + (f32::from(b) - f32::from(a)) * f).round() as u8;
        let (a, b) = (self.heat[i], self.heat[i + 1]);
        reduce(
            Some((mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))),
            self.depth,
        )
    }

    /// Colours alone carry the heat map (else shade glyphs do).
    pub fn colours_heat(&self) -> bool {
        self.depth >= Depth::Ansi256
    }

    /// One of the themes that come with the app.
    pub fn built_in(name: &str, depth: Depth) -> Option<Theme> {
        let (_, source) = BUILT_IN.iter().find(|(n, _)| *n == name)?;
        let mut theme = Theme::parse(source, depth).ok()?;
        if depth == Depth::Ansi16 {
            // Sixteen colours have no quiet backgrounds: leave the terminal its own.
            theme.background = Color::Reset;
            theme.code_background = Color::Reset;
            theme.chip_background = Color::Reset;
            if theme.text == theme.faint || theme.track == theme.text {
                theme.faint = Color::DarkGray;
            }
            (theme.border, theme.faint, theme.track) =
                (Color::DarkGray, Color::DarkGray, Color::DarkGray);
            theme.text = Color::Reset;
            theme.dim = if theme.dark {
                Color::Gray
            } else {
                Color::DarkGray
            };
            theme.selection = Color::DarkGray;
        }
        Some(theme)
    }

    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(n, _)| *n)
    }
}

/// Name and source of every theme in `themes/`.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("cachat-dark", include_str!("../../themes/cachat-dark.toml")),
    (
        "cachat-light",
        include_str!("../../themes/cachat-light.toml"),
    ),
];

impl Default for Theme {
    fn default() -> Self {
        Theme::built_in("cachat-dark", Depth::True).unwrap_or_else(|| unreachable!("tested"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_theme_reads_at_every_depth() {
        for name in Theme::names() {
            for depth in [Depth::None, Depth::Ansi16, Depth::Ansi256, Depth::True] {
                let theme = Theme::built_in(name, depth).expect(name);
                assert_eq!(theme.name, name);
                assert_eq!(depth == Depth::None, theme.accent == Color::Reset);
            }
            // Every documented field is set in the file.
            let (_, source) = BUILT_IN.iter().find(|(n, _)| *n == name).unwrap();
            let ui = toml::from_str::<File>(source).unwrap().ui;
            assert_eq!(ui.len(), 22, "{name}");
        }
    }

    #[test]
    fn a_bad_colour_is_named() {
        let source = BUILT_IN[0].1.replacen("\"mint\"", "\"nope\"", 1);
        let error = Theme::parse(&source, Depth::True).unwrap_err().to_string();
        assert!(error.contains("accent"), "{error}");
    }

    #[test]
    fn depth_follows_the_environment() {
        let with = |vars: &'static [(&str, &str)]| {
            Depth::detect(|k| {
                vars.iter()
                    .find(|(n, _)| *n == k)
                    .map(|(_, v)| v.to_string())
            })
        };
        assert_eq!(
            with(&[("NO_COLOR", "1"), ("COLORTERM", "truecolor")]),
            Depth::None
        );
        assert_eq!(with(&[("TERM", "xterm-256color")]), Depth::Ansi256);
        assert_eq!(
            with(&[("TERM", "xterm"), ("COLORTERM", "truecolor")]),
            Depth::True
        );
        assert_eq!(with(&[("TERM", "linux")]), Depth::Ansi16);
    }
}
