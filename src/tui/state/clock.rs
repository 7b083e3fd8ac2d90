//! The time, as it is told from outside.

/// When it is now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clock {
    /// Seconds since the start.
    pub now: f64,
    /// The time of day as it is shown, `12:04:31`.
    pub shown: String,
}

impl Clock {
    /// The time of day in digits, for names of files.
    pub(super) fn stamp(&self) -> String {
        self.shown.chars().filter(char::is_ascii_digit).collect()
    }
}
