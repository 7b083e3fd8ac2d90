//! What comes out of a file that a library reads: its text, or why there is none.

use serde::{Deserialize, Serialize};

/// Most text taken out of one file, in bytes.
pub const TEXT_LIMIT: usize = 32 << 20;

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Converted {
    pub text: String,
    /// Pages that were read, where there are pages.
    pub pages: Option<usize>,
}

/// Why nothing came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trouble {
    /// A password is asked for.
    Locked,
    /// Encrypted in a way that is not known.
    Encryption,
    Damaged,
    /// Images only.
    NoText {
        pages: usize,
    },
    /// The fonts do not say which letters they draw.
    Unreadable,
    /// There is no such page.
    Beyond {
        all: usize,
    },
    TooMuchText,
    TooSlow,
    TooMuchMemory,
    /// The helper could not be run.
    Helper(String),
}
