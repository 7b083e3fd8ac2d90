//! Memory for a text, before it is read: what is too long for it would have the system end the
//! program, and the conversation with it.

use super::evict::Evictor;
use super::fit::Fit;
use super::free;
use crate::model::footprint::{Place, Way};
use crate::model::{Description, ModelError, Network, error::Result};

/// A shorter text always has room: what is free is not told to the megabyte.
const SHORT: usize = 1024;

/// How a network runs; `None` on a device whose memory is not known.
pub(super) fn way(network: &dyn Network) -> Option<Way> {
    let element = network.kv_dtype().1;
    (network.device() == "cpu").then_some(Way {
        place: Place::Host,
        exact: network.exact(),
        element,
    })
}

/// Refuses to read `tokens` that there is no memory for.
///
/// # Errors
/// [`ModelError::Memory`]: what they take, what there is, and what would fit.
pub(super) fn for_text(
    d: &Description,
    way: Option<Way>,
    evictor: &Evictor,
    tokens: usize,
) -> Result<()> {
    let Some(way) = way.filter(|_| tokens > SHORT) else {
        return Ok(());
    };
    let fit = Fit::running(d, way, evictor);
    fit.refuse("reading it", tokens, free::now())
        .map_err(ModelError::Memory)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::gguf::GgufFile;
    use crate::model::{LoadOptions, load};
    use crate::testing::{TinySpec, write_tiny_gguf};

    #[test]
    fn the_way_is_the_networks() {
        let file = tempfile::NamedTempFile::new().unwrap();
        write_tiny_gguf(file.path(), &TinySpec::llama()).unwrap();
        let file = Arc::new(GgufFile::open(file.path()).unwrap());
        for exact in [false, true] {
            let options = LoadOptions {
                exact,
                ..LoadOptions::default()
            };
            let network = load(&file, &options, &|_| {}).unwrap();
            let way = way(&*network).unwrap();
            assert_eq!((way.exact, way.element), (exact, if exact { 4 } else { 2 }));
        }
    }
}
