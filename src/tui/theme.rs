//! Colours: TOML files in `themes/` and in the user's folder, reduced to what the terminal can show.

mod built_in;
mod colour;
mod depth;
mod file;
mod folder;

use ratatui::style::Color;

pub use built_in::BUILT_IN;
use colour::{Ink, Rgb, luminance, mix};
pub use depth::Depth;
use file::File;
pub use file::ThemeError;
pub use folder::UnknownTheme;

macro_rules! theme {
    ($($(#[$doc:meta])* $field:ident),* $(,)?) => {
        /// Every colour of the screen, as the terminal can show it.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Theme {
            pub name: String,
            pub dark: bool,
            pub depth: Depth,
            heat: Vec<Ink>,
            /// What tints are mixed with: the background, or what it is likely to be.
            ground: Rgb,
            bar_ink: Ink,
            $($(#[$doc])* pub $field: Color,)*
        }

        impl Theme {
            /// Names of the colours in a theme file's `[ui]`.
            pub const FIELDS: &[&str] = &[$(stringify!($field)),*];

            /// Reads a theme file.
            ///
            /// # Errors
            /// Names the field that cannot be read.
            pub fn parse(source: &str, depth: Depth) -> Result<Theme, ThemeError> {
                let file = File::read(source)?;
                if let Some(field) = file.ui.keys().find(|f| !Theme::FIELDS.contains(&f.as_str())) {
                    return Err(unknown(field));
                }
                let heat = file.heat.iter()
                    .map(|value| file.ink("heat", value))
                    .collect::<Result<Vec<Ink>, _>>()?;
                if heat.len() < 2 {
                    return Err(ThemeError::Heat);
                }
                let dark = file.dark.unwrap_or(false);
                let likely = if dark { (16, 16, 20) } else { (250, 250, 250) };
                let theme = Theme {
                    depth,
                    dark,
                    heat,
                    ground: file.field("background")?.rgb().unwrap_or(likely),
                    bar_ink: file.field("bar")?,
                    $($field: file.field(stringify!($field))?.reduce(depth),)*
                    name: crate::tui::text::safe::one_line(&file.name),
                };
                Ok(theme.for_sixteen())
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
    /// Code in the text.
    code,
    code_background,
    /// In blocks of code: `fn`, `if`, tags.
    code_keyword,
    code_string,
    /// Numbers and constants.
    code_number,
    code_comment,
    code_function,
    code_type,
    /// Attributes, keys, properties.
    code_name,
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

fn unknown(field: &str) -> ThemeError {
    let close = Theme::FIELDS
        .iter()
        .map(|known| (strsim::jaro_winkler(known, field), known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > 0.8);
    ThemeError::Field {
        field: field.to_owned(),
        hint: close.map_or_else(String::new, |(_, known)| format!("; `{known}` is meant?")),
    }
}

impl Theme {
    /// One of the themes that come with the app.
    pub fn built_in(name: &str, depth: Depth) -> Option<Theme> {
        let (_, source) = BUILT_IN.iter().find(|(n, _)| *n == name)?;
        Theme::parse(source, depth).ok()
    }

    /// Names of the themes that come with the app.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(n, _)| *n)
    }

    /// A colour of the heat scale: 0 is its start, 1 its middle, 2 its end.
    pub fn heat(&self, ratio: f32) -> Color {
        let (i, f) = self.heat_at(ratio);
        if self.stepped() {
            let nearest = if f < 0.5 { i } else { i + 1 };
            return self.heat[nearest].reduce(self.depth);
        }
        Ink::Rgb(self.heat_rgb(ratio)).reduce(self.depth)
    }

    /// The two steps of the scale between which a ratio lies: the first, and how far behind it.
    fn heat_at(&self, ratio: f32) -> (usize, f32) {
        let ratio = if ratio.is_nan() { 0.0 } else { ratio };
        let t = (ratio / 2.0).clamp(0.0, 1.0) * (self.heat.len() - 1) as f32;
        let i = (t as usize).min(self.heat.len() - 2);
        (i, t - i as f32)
    }

    /// The terminal's own colours cannot be mixed.
    fn stepped(&self) -> bool {
        self.heat.iter().any(|ink| !matches!(ink, Ink::Rgb(_)))
    }

    fn heat_rgb(&self, ratio: f32) -> Rgb {
        let (i, f) = self.heat_at(ratio);
        let rgb = |ink: Ink| ink.rgb().unwrap_or(self.ground);
        mix(rgb(self.heat[i]), rgb(self.heat[i + 1]), f)
    }

    /// [`heat`](Self::heat) mixed into the background, so that ordinary text stands on it.
    pub fn tint(&self, ratio: f32) -> Color {
        Ink::Rgb(mix(self.ground, self.heat_rgb(ratio), 0.38)).reduce(self.depth)
    }

    /// [`bar`](Self::bar) mixed into the background: the body of a graph.
    pub fn bar_body(&self) -> Color {
        match self.bar_ink {
            Ink::Rgb(bar) if self.depth >= Depth::Ansi256 => {
                Ink::Rgb(mix(self.ground, bar, 0.3)).reduce(self.depth)
            }
            _ => self.track,
        }
    }

    /// A colour for text that stands on [`heat`](Self::heat).
    pub fn on_heat(&self, ratio: f32) -> Color {
        let light = luminance(self.heat_rgb(ratio)) > 0.18;
        let ink = if light { (20, 22, 28) } else { (236, 239, 244) };
        Ink::Rgb(ink).reduce(self.depth)
    }

    /// Colours alone carry the heat map (else shade glyphs do).
    pub fn colours_heat(&self) -> bool {
        self.depth >= Depth::Ansi256 && !self.stepped()
    }

    /// Sixteen colours have no quiet ones: grounds stay the terminal's own, and what should step
    /// back is grey. A theme of the terminal's own colours knows that itself.
    fn for_sixteen(mut self) -> Theme {
        if self.depth != Depth::Ansi16 || self.stepped() {
            return self;
        }
        let quiet = Color::DarkGray;
        self.background = Color::Reset;
        self.code_background = Color::Reset;
        self.chip_background = Color::Reset;
        self.text = Color::Reset;
        (self.border, self.faint, self.track) = (quiet, quiet, quiet);
        self.dim = if self.dark { Color::Gray } else { quiet };
        // Grey text must not vanish in it.
        self.selection = if self.dark { Color::Blue } else { Color::Gray };
        self
    }
}

impl Default for Theme {
    fn default() -> Self {
        Theme::built_in("cachat-dark", Depth::True).unwrap_or_else(|| unreachable!("tested"))
    }
}

#[cfg(test)]
mod tests;
