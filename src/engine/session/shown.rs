//! The conversation's cache and tokens, as they are shown.

use super::Session;
use crate::engine::event::{Archived, CachePicture, Mode};
use crate::engine::picture;
use crate::model::Layers;

impl Session {
    /// The cache as it is, without [`CachePicture::holders`].
    pub fn picture(&self) -> CachePicture {
        let position = self.lane.position();
        let evictor = self.in_force.or_else(|| self.evictor(position).ok());
        let layers = self.lane.layers();
        let bound = evictor.and_then(|e| e.total(layers));
        picture::picture_of(layers, bound, self.lane.peak())
    }

    /// What is archived of the conversation.
    pub fn archived(&self) -> Archived {
        let Some(archive) = &self.archive else {
            let mode = Mode::Off;
            return Archived {
                mode,
                ..Archived::default()
            };
        };
        let past = archive.find(self.lane.tokens());
        Archived {
            mode: archive.mode(),
            tokens: past.len(),
            bytes: past.bytes(),
            path: archive.path().cloned(),
        }
    }

    /// The cache's layers.
    pub fn layers(&self) -> &dyn Layers {
        self.lane.layers()
    }

    /// Whether the cache still holds every token in every head.
    pub(in crate::engine) fn nothing_evicted(&self) -> bool {
        let layers = self.lane.layers();
        let shapes = layers.description().layers.iter().enumerate();
        shapes
            .filter(|(_, shape)| shape.grows())
            .all(|(l, shape)| layers.layer_entries(l) == layers.position() * shape.kv_heads())
    }

    /// The text of every position, control tokens by name. A character that several tokens make
    /// up is shown as U+FFFD in each.
    pub fn token_texts(&self) -> Vec<String> {
        let tokenizer = &self.model.tokenizer;
        let text = |&id: &u32| match tokenizer.is_control(id) {
            true => tokenizer.token(id).unwrap_or_default().to_owned(),
            false => String::from_utf8_lossy(&tokenizer.token_bytes(id)).into_owned(),
        };
        self.drawn.tokens.iter().map(text).collect()
    }
}
