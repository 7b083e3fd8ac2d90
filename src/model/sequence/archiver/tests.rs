use std::sync::Arc;

use super::super::Running;
use super::Archiver;
use crate::archive::Archive;
use crate::cache::Store;
use crate::model::decoder::Decoder;
use crate::model::gguf::GgufFile;
use crate::model::host::Host;
use crate::model::network::{Layers, Network, NoHooks, Sequence};
use crate::testing::write_family_gguf;

fn id(at: u32) -> u32 {
    3 + (at * 37 + at * at * 11) % 260
}

/// What is decoded over a cache that has lost something is not archived before it is read again, so
/// that what layers with a window drop until then need not be kept.
#[test]
fn nothing_is_kept_that_will_not_be_archived() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("tiny.gguf");
    write_family_gguf(&at, "gemma3", 7).unwrap();
    let file = Arc::new(GgufFile::open(&at).unwrap());
    let host = Host::<f32>::new(1, true);
    let decoder = Arc::new(Decoder::load(host, &file, &|_| {}).unwrap());
    let mut shapes = decoder.description.layers.iter();
    let growing = shapes.position(|shape| shape.grows()).unwrap();
    for evicted in [false, true] {
        let archive = Arc::new(Archive::in_memory(decoder.identity(), 1 << 30));
        let cache = decoder.empty_cache(8).unwrap();
        let layers = cache.layers.iter().map(|state| state.layer.clone());
        let mut running = Running {
            archiver: Some(Archiver::new(archive.clone(), layers.collect())),
            tokens: Vec::new(),
            unsettled: Vec::new(),
            decoder: decoder.clone(),
            cache,
        };
        let prompt: Vec<u32> = (0..40).map(id).collect();
        running.recall(&prompt, 0, &mut NoHooks).unwrap();
        if evicted {
            let heads = running.lens(growing).len();
            let kept: Vec<Vec<u32>> = vec![(10..40).collect(); heads];
            running.keep(growing, &kept).unwrap();
        }
        for at in 40..340 {
            running.decode(id(at), &|| false).unwrap();
        }
        let tails = running.archiver.iter().flat_map(|a| &a.tails);
        let held: usize = tails.map(|tail| tail.used_bytes()).sum();
        assert_eq!(held == 0, evicted, "{held} bytes");
        // The next read goes on as if nothing had been dropped.
        let said = running.tokens.clone();
        let from = running.archived(&said, said.len() - 8);
        assert_eq!(from, 40);
        running.recall(&said, from, &mut NoHooks).unwrap();
        for at in 340..440 {
            running.decode(id(at), &|| false).unwrap();
        }
        running.archive_decoded().unwrap();
        assert_eq!(archive.find(&running.tokens).len(), 440);
    }
}
