//! SAVED CONVERSATIONS: one file of JSON lines each, written as things happen and only ever
//! appended to, so that a crash loses at most the line that was being written.

mod error;
mod list;
mod private;
mod read;
mod record;
mod store;
#[cfg(test)]
mod tests;
mod unsaved;
mod writer;

pub use error::SessionError;
pub use list::Summary;
pub use read::{SavedConversation, SavedTurn, read};
pub use record::{Ending, Header, Piece, Record, Thought};
pub use store::Store;
pub use unsaved::Unsaved;
pub use writer::Writer;
