//! The text said again, part by part: what every policy judges by in the mode `later-repeated`.

use std::sync::Arc;

use super::Run;
use crate::engine::lane::Lane;
use crate::engine::repetition::{Again, Repetition};
use crate::eval::error::EvalError;
use crate::eval::watch::Watch;

/// Tokens of a part, as published.
const PART: usize = 2048;
/// Where the context leaves less, a part has so many all the same.
const LEAST: usize = 128;

impl Run<'_, '_> {
    /// What the text's entries are worth by its repetition; `full` holds the text. `None` when it was stopped.
    pub(super) fn repetition(
        &self,
        full: &Lane,
        watch: &mut dyn Watch,
    ) -> Result<Option<Arc<Repetition>>, EvalError> {
        let text = full.tokens();
        let request = self.writer.again(self.sample, &self.prompt, 0)?.len();
        let context = self.runner.model.network.description().context;
        let room = context.saturating_sub(text.len() + request);
        let size = room.clamp(LEAST, PART);
        let mut parts = Vec::new();
        for from in (0..text.len()).step_by(size) {
            let part = from..text.len().min(from + size);
            let mut tokens = self.writer.again(self.sample, &self.prompt, from)?;
            tokens.extend(&text[part.clone()]);
            parts.push(Again { part, tokens });
        }
        let found = full.repeated(&parts, &|| watch.stopped())?;
        Ok(found.map(Arc::new))
    }
}
