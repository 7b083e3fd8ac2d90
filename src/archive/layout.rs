//! How the pages of a model's layers lie beside each other.

use crate::cache::HeadPages;

/// A page row is [`PAGE`](crate::cache::PAGE) positions of every layer: layer by layer, in each the
/// KV heads' pages, each as the kernels read it (keys `[head_dim, PAGE]`, then values
/// `[PAGE, head_dim]`). So page row `r`, layer `l`, head `h` lies at
/// `r · row + layer_at(l) + h · page_bytes(l)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Of each layer: where it begins in a page row, its KV heads, and bytes of a page.
    layers: Vec<(usize, usize, usize)>,
    row: usize,
}

impl Layout {
    /// Of each layer its KV heads and the bytes of a page.
    pub fn new(layers: impl IntoIterator<Item = (usize, usize)>) -> Layout {
        let mut row = 0;
        let place = |(heads, page)| {
            let at = row;
            row += heads * page;
            (at, heads, page)
        };
        let layers = layers.into_iter().map(place).collect();
        Layout { layers, row }
    }

    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// Bytes of a page row.
    pub fn row(&self) -> usize {
        self.row
    }

    /// Where a layer begins in a page row, and its bytes there.
    pub fn layer(&self, layer: usize) -> (usize, usize) {
        let (at, heads, page) = self.layers[layer];
        (at, heads * page)
    }

    /// Where each head's page of a layer begins in a page row, and its bytes.
    pub fn heads(&self, layer: usize) -> impl Iterator<Item = (usize, usize)> {
        let (at, heads, page) = self.layers[layer];
        (0..heads).map(move |head| (at + head * page, page))
    }

    /// Whether these are `rows` pages of each of a layer's heads.
    pub fn fits(&self, layer: usize, pages: &[HeadPages], rows: usize) -> bool {
        let (_, heads, page) = self.layers[layer];
        let of_head = |pages: &HeadPages| {
            pages.len() == rows && pages.iter().all(|p| p.as_slice().len() == page)
        };
        pages.len() == heads && pages.iter().all(of_head)
    }
}
