//! Experts as a family's file counts them.

use crate::model::error::Result;
use crate::model::keys::Keys;
use crate::model::shape::{ExpertsShape, LayerShape};

/// Gives every layer as many experts as the file says; nothing where it says none.
pub fn routed(keys: &Keys, layers: &mut [LayerShape], usual: ExpertsShape) -> Result<()> {
    let Some(count) = keys.positive("expert_count")? else {
        return Ok(());
    };
    let widths = keys.each("expert_feed_forward_length", layers.len())?;
    let shared = keys.positive("expert_shared_feed_forward_length")?;
    let scale = keys.factor("expert_weights_scale")?.unwrap_or(1.0);
    for (l, layer) in layers.iter_mut().enumerate() {
        let width = widths.as_ref().map_or(0, |widths| widths[l]);
        layer.experts = Some(ExpertsShape {
            count,
            used: keys.size("expert_used_count")?,
            // Older files give the width of all under the other key.
            feed_forward: if width > 0 { width } else { layer.feed_forward },
            shared: usual.shared.and(shared),
            scale,
            ..usual
        });
    }
    Ok(())
}

/// Where a file does not say how wide each is, it says how wide those are together that a token goes
/// through.
pub fn divided(keys: &Keys, layers: &mut [LayerShape]) -> Result<()> {
    let widths = keys.each("expert_feed_forward_length", layers.len())?;
    if widths.is_none() {
        let experts = layers.iter_mut().filter_map(|layer| layer.experts.as_mut());
        experts.for_each(|e| e.feed_forward /= e.used.max(1));
    }
    Ok(())
}
