//! What a model takes of the device, as computed before it is loaded and as it turns out.

use std::sync::Arc;

use candle_core::quantized::GgmlDType;

use super::against_host::written;
use crate::gpu::emulated::Emulated;
use crate::gpu::{Element, Gpu};
use crate::model::decoder::Decoder;
use crate::model::description::Description;
use crate::model::footprint::{Footprint, Place, Way};
use crate::model::gpu::Executor;
use crate::model::network::{Layers, Network, PrefillHooks};
use crate::testing::TinySpec;

/// Keeps the newest entries of each head.
struct Newest(Option<usize>);

impl PrefillHooks for Newest {
    fn layer_done(
        &mut self,
        layer: usize,
        layers: &mut dyn Layers,
    ) -> crate::model::error::Result<()> {
        let Some(bound) = self.0 else {
            return Ok(());
        };
        let kept = layers.lens(layer).into_iter();
        let kept = kept.map(|len| (len.saturating_sub(bound) as u32..len as u32).collect());
        layers.keep(layer, &kept.collect::<Vec<_>>())
    }
}

#[test]
fn the_most_that_is_taken_is_what_was_computed() {
    let way = Way {
        place: Place::Gpu,
        exact: false,
        element: 2,
    };
    for (quant, tied, bound) in [
        (GgmlDType::F16, true, None),
        (GgmlDType::Q8_0, false, None),
        (GgmlDType::Q4K, true, Some(256)),
    ] {
        let spec = TinySpec {
            quant,
            tied,
            layers: 6,
            hidden: 256,
            ffn: 512,
            heads: 4,
            kv_heads: 4,
            head_dim: 64,
            vocab: 16_384,
            context: 4096,
            ..TinySpec::llama()
        };
        let file = written(&spec);
        let d = Description::from_gguf(&file).unwrap();
        let tokens: Vec<u32> = (0..1500).map(|i| i * 7 % 16_000).collect();
        let need = Footprint::of(&file, &d, way).need(tokens.len(), bound);
        let device = Arc::new(Emulated::idle(3).unwrap());
        let gpu = Gpu::new(Box::new(device.clone()));
        let executor = Executor::new(gpu, Element::F16, false, true);
        let decoder = Arc::new(Decoder::load(executor, &file, &|_| {}).unwrap());
        let told = decoder.device_memory().unwrap();
        assert_eq!(told.weights, told.usage.buffers);
        let mut sequence = decoder.clone().sequence(8).unwrap();
        sequence.prefill(&tokens, &mut Newest(bound)).unwrap();
        for token in 0..3 {
            sequence.decode(token, &|| false).unwrap();
        }
        let told = Layers::device_memory(&*sequence).unwrap();
        assert_eq!(told.usage.peak, device.peak());
        assert!(told.usage.used() <= told.usage.used_peak);
        assert!(told.usage.used_peak <= told.usage.peak);
        assert!(told.usage.pages <= told.usage.slabs);
        let (computed, peak) = (need.total() as f64, device.peak() as f64);
        let off = (computed - peak).abs() / peak;
        assert!(
            off < 0.1,
            "{quant:?}: {computed} computed, {need:?}; {peak} taken, {told:?}"
        );
        // Nobody uses most of it any more.
        decoder.forget_device_peak().unwrap();
        let now = Network::device_memory(&*decoder).unwrap().usage;
        assert_eq!((now.peak, now.allocated), (device.used(), device.used()));
        assert!(now.allocated < told.usage.allocated);
    }
}
