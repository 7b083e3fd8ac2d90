//! How the pages of a model's layers lie beside each other.

use crate::cache::HeadPages;

/// A layer's part of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Pages of keys and values: KV heads, and bytes of a page.
    Pages(usize, usize),
    /// A state, of so many bytes, kept at some positions.
    State(usize),
}

/// A page row is [`PAGE`](crate::cache::PAGE) positions of every layer: layer by layer, in each the
/// KV heads' pages, each as the kernels read it (keys `[head_dim, PAGE]`, then values
/// `[PAGE, head_dim]`). So page row `r`, layer `l`, head `h` lies at
/// `r · row + layer_at(l) + h · page_bytes(l)`. Behind the page rows stand the snapshots of the layers
/// that have a state in place of entries, each layer by layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Of each layer: where it begins in a page row or in a snapshot, its KV heads, and bytes of a page.
    layers: Vec<Place>,
    row: usize,
    snapshot: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    at: usize,
    heads: usize,
    page: usize,
    is_state: bool,
}

impl Layout {
    pub fn new(layers: impl IntoIterator<Item = Part>) -> Layout {
        let (mut row, mut snapshot) = (0, 0);
        let place = |part: Part| match part {
            Part::Pages(heads, page) => {
                let at = row;
                row += heads * page;
                Place {
                    at,
                    heads,
                    page,
                    is_state: false,
                }
            }
            Part::State(bytes) => {
                let (at, page) = (snapshot, bytes.next_multiple_of(16));
                snapshot += page;
                Place {
                    at,
                    heads: 1,
                    page,
                    is_state: true,
                }
            }
        };
        let layers = layers.into_iter().map(place).collect();
        Layout {
            layers,
            row,
            snapshot,
        }
    }

    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// Bytes of a page row.
    pub fn row(&self) -> usize {
        self.row
    }

    /// Bytes of a snapshot: 0 where no layer has a state.
    pub fn snapshot(&self) -> usize {
        self.snapshot
    }

    /// Whether a layer has a state in place of entries.
    pub fn is_state(&self, layer: usize) -> bool {
        self.layers[layer].is_state
    }

    /// Where a layer's pages in page row `row` stand, or its state in snapshot `row`, in a segment of
    /// `rows` page rows, behind its header.
    pub fn place(&self, layer: usize, row: usize, rows: usize) -> usize {
        let Place { at, is_state, .. } = self.layers[layer];
        match is_state {
            false => row * self.row + at,
            true => rows * self.row + row * self.snapshot + at,
        }
    }

    /// A layer's bytes in a page row or a snapshot.
    pub fn bytes(&self, layer: usize) -> usize {
        let Place { heads, page, .. } = self.layers[layer];
        heads * page
    }

    /// Where each head's page begins, behind a layer's first, and its bytes.
    pub fn heads(&self, layer: usize) -> impl Iterator<Item = (usize, usize)> {
        let Place { heads, page, .. } = self.layers[layer];
        (0..heads).map(move |head| (head * page, page))
    }

    /// Whether these are `rows` pages of each of a layer's heads.
    pub fn fits(&self, layer: usize, pages: &[HeadPages], rows: usize) -> bool {
        let Place { heads, page, .. } = self.layers[layer];
        let of_head = |pages: &HeadPages| {
            pages.len() == rows && pages.iter().all(|p| p.as_slice().len() == page)
        };
        pages.len() == heads && pages.iter().all(of_head)
    }
}
