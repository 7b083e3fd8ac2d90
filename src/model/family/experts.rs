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
        let has_shared = || {
            keys.file
                .has_tensor(&format!("blk.{l}.ffn_up_shexp.weight"))
        };
        // As wide as an MLP where the file does not say.
        let shared = shared.or_else(|| has_shared().then_some(layer.feed_forward));
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

#[cfg(test)]
mod tests {
    use crate::model::description::Description;
    use crate::model::gguf::GgufFile;
    use crate::testing::write_family_gguf;

    #[test]
    fn a_shared_expert_is_there_where_only_its_tensors_say_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tiny.gguf");
        write_family_gguf(&path, "qwen35moe", 1).unwrap();
        let experts = || -> Vec<_> {
            let d = Description::from_gguf(&GgufFile::open(&path).unwrap()).unwrap();
            d.layers.iter().map(|layer| layer.experts).collect()
        };
        let said = experts();
        assert_eq!(said[0].unwrap().shared, Some(48));
        let mut bytes = std::fs::read(&path).unwrap();
        let behind = |bytes: &[u8], key: &[u8]| {
            let at = bytes.windows(key.len()).position(|w| w == key);
            at.unwrap() + key.len()
        };
        // Its width stands under another key, and the MLP's is the same.
        let end = behind(&bytes, b"qwen35moe.expert_shared_feed_forward_length");
        bytes[end - 1] = b'_';
        let value = behind(&bytes, b"qwen35moe.feed_forward_length") + 4;
        bytes[value..value + 4].copy_from_slice(&48u32.to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(experts(), said);
    }
}
