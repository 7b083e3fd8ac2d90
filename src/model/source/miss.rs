//! Why a place did not have a file.

use std::path::PathBuf;

/// Why one place did not have the file.
#[derive(Debug)]
pub enum Miss {
    /// This place cannot be reached or has no such file; another may.
    Elsewhere(String),
    /// It came, and is not what it should be.
    Corrupt(String),
    /// Nothing can be written here, whatever the place.
    Unwritable(PathBuf, std::io::Error),
}

impl Miss {
    /// From what a program or a server said: one line, bounded.
    pub fn said(text: &str) -> Miss {
        Miss::Elsewhere(line(text))
    }
}

/// Text from elsewhere as a bounded line without control characters.
pub fn line(text: &str) -> String {
    let text = text.trim().chars();
    text.filter(|c| !c.is_control()).take(300).collect()
}
