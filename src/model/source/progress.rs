//! How far a download or a check is.

/// A file that is being fetched or checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// For people: what is done, and from where.
    pub what: String,
    /// Bytes.
    pub done: u64,
    /// Bytes, where known.
    pub total: Option<u64>,
}
