//! Names of token sequences: what a run of tokens is called depends on all that stood before it.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::cache::PAGE;

/// The name of a token sequence in one model's archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Name([u8; 16]);

impl Name {
    /// Of no tokens, in the archive of what `fingerprint` tells apart.
    pub fn root(fingerprint: &[u8; 32]) -> Name {
        Name::of(fingerprint, &[])
    }

    /// Of this sequence with `ids` behind it.
    pub fn then(&self, ids: &[u32]) -> Name {
        Name::of(&self.0, ids)
    }

    fn of(before: &[u8], ids: &[u32]) -> Name {
        let mut hash = Sha256::new();
        hash.update(before);
        ids.iter().for_each(|id| hash.update(id.to_le_bytes()));
        let mut name = [0; 16];
        name.copy_from_slice(&hash.finalize()[..16]);
        Name(name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Names of the beginnings of `ids` that are whole pages: `[0]` of none, `[1]` of the first page, …
pub fn pages(fingerprint: &[u8; 32], ids: &[u32]) -> Vec<Name> {
    let mut names = vec![Name::root(fingerprint)];
    let mut last = names[0];
    for page in ids.chunks_exact(PAGE) {
        last = last.then(page);
        names.push(last);
    }
    names
}
