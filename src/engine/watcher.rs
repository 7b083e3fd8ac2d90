//! Where a turn's news goes, and whether it should end.

use super::event::{CachePicture, Event};

/// Follows a turn.
pub trait Watcher {
    fn stopped(&self) -> bool;
    fn event(&mut self, event: Event);
    fn picture(&mut self, picture: CachePicture);
}
