//! The themes that come with the app.

use super::{Depth, Theme};

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        /// Name and source of every theme in `themes/`.
        pub const BUILT_IN: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../themes/", $name, ".toml"))),)*
        ];
    };
}

built_in![
    "cachat-dark",
    "cachat-light",
    "high-contrast-dark",
    "high-contrast-light",
    "cividis",
    "terminal",
    "ember",
    "fjord",
    "dusk",
    "parchment",
    "mono",
];

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
}
