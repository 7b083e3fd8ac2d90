//! Which layers of a family see only a window.

use crate::model::error::{ModelError, Result};
use crate::model::keys::Keys;
use crate::model::shape::{AttentionShape, LayerShape};

/// Gives layers their window, as the file says by layer or by period: of every `period` layers all but
/// the last. Returns those that have one.
pub fn windowed<'a>(
    keys: &Keys,
    layers: &'a mut [LayerShape],
    window: usize,
    period: usize,
) -> Result<Vec<&'a mut AttentionShape>> {
    const PATTERN: &str = "attention.sliding_window_pattern";
    let has_window: Vec<bool> = match keys.list(PATTERN)? {
        Some(pattern) if pattern.len() < layers.len() => {
            return Err(ModelError::Description(format!(
                "its {PATTERN} has {} of {} layers",
                pattern.len(),
                layers.len()
            )));
        }
        Some(pattern) => pattern.into_iter().map(|flag| flag != 0).collect(),
        None => {
            let period = keys.optional(PATTERN)?.unwrap_or(period);
            let of = |layer| period == 0 || layer % period < period - 1;
            (0..layers.len()).map(of).collect()
        }
    };
    let layers = layers.iter_mut().zip(has_window).filter(|(_, has)| *has);
    let attention = layers.filter_map(|(layer, _)| {
        let a = layer.attention_mut()?;
        a.window = Some(window);
        Some(a)
    });
    Ok(attention.collect())
}

/// What the largest Gemmas scale products by: the stream's width over the heads, not a head's.
pub fn by_width(keys: &Keys) -> Result<f32> {
    let heads = keys.size("attention.head_count")?.max(1);
    Ok(1.0 / ((keys.size("embedding_length")? / heads) as f32).sqrt())
}
