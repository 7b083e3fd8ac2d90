//! Conversations with and without drafts.
