//! How a panel is drawn: its theme, and where it stands.

use crate::tui::theme::Theme;

/// How a panel is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    pub theme: &'a Theme,
    /// Keys go to this panel.
    pub focused: bool,
    /// It has the whole screen.
    pub zoomed: bool,
    /// Only ASCII glyphs.
    pub ascii: bool,
}
