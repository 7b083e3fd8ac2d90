//! The themes that come with the app.

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
