//! Attention and window scores on a device.

use std::sync::Arc;

use candle_core::Result;

use super::rows::Rows;
use crate::cache::paged::{PagedLayer, Ring, RingRow};
use crate::cache::{PAGE, QueryWindow, Store};
use crate::gpu::driver::{Kernel, Variant};
use crate::gpu::{Buffer, Element, Gpu, Grid, args};
use crate::model::shape::{AttentionShape, Span};
use crate::policy::HeadScores;

/// Rows from which on they are taken in tiles.
const MANY: usize = 9;
/// Rows that a ring of an observation window holds while tokens are decoded.
const RING: usize = 64;
/// Bytes that kernels may share beside what a launch asks for, where they ask for any.
pub const KEPT: u32 = 1 << 10;
/// Head sizes for which there are tiles.
const TILED: [usize; 6] = [32, 64, 80, 96, 128, 256];
/// Head sizes up to which a tile has 128 stacked rows, and not 64.
const TALL: usize = 128;

/// How rows look at a layer.
pub fn look(
    a: &AttentionShape,
    layer: &PagedLayer,
    q: &Rows,
    span: Span,
    sinks: Option<&Buffer>,
) -> Result<args::Look> {
    Ok(args::Look {
        layer: layer.layer(),
        q: q.at()?,
        sinks: sinks.map_or(0, Buffer::at),
        heads: a.heads as u32,
        dim: a.head_dim as u32,
        rows: q.rows as u32,
        behind: span.behind as u32,
        window: span.window.unwrap_or(0).min(u32::MAX as usize) as u32,
        cap: a.soft_cap.unwrap_or(0.0),
    })
}

pub fn attend(
    a: &AttentionShape,
    layer: &PagedLayer,
    q: &Rows,
    span: Span,
    sinks: Option<&Buffer>,
) -> Result<Rows> {
    let gpu = q.gpu();
    let look = look(a, layer, q, span, sinks)?;
    let out = Rows::new(gpu, q.rows, q.width)?;
    let tiled = gpu.driver().limits().tiles
        && TILED.contains(&a.head_dim)
        && layer.element() != Element::F32;
    match q.rows >= MANY && tiled {
        true => many(a, layer, &look, &out)?,
        false => few(a, layer, &look, &out)?,
    }
    Ok(out)
}

/// Tiles of stacked rows.
fn many(a: &AttentionShape, layer: &PagedLayer, look: &args::Look, out: &Rows) -> Result<()> {
    let stacked = out.rows * a.group();
    let row = (a.head_dim + 8) * layer.element().bytes();
    let rows = if a.head_dim <= TALL { 128 } else { 64 };
    let grid = Grid {
        groups: [stacked.div_ceil(rows) as u32, a.kv_heads as u32, 1],
        threads: 128,
        shared: ((2 * PAGE + rows) * row) as u32,
    };
    let variant = Variant::Heads(layer.element(), a.head_dim as u32);
    let arguments = args::AttendMany {
        look: *look,
        out: out.at()?,
    };
    out.gpu()
        .launch(Kernel::AttendMany, variant, grid, &arguments)
}

/// The pages of all heads split evenly, then what was found put together.
fn few(a: &AttentionShape, layer: &PagedLayer, look: &args::Look, out: &Rows) -> Result<()> {
    let gpu = out.gpu();
    let at_once = a.group().next_power_of_two().min(8);
    let blocks = a.group().div_ceil(at_once);
    // Where there are many rows, each is a group's work; a single one's is split.
    let spare = match out.rows < MANY {
        true => 2 * gpu.driver().multiprocessors() as usize,
        false => 0,
    };
    let splits = a.kv_heads + spare;
    let part = at_once * (a.head_dim + 2) * size_of::<f32>();
    let parts = gpu.buffer(out.rows * blocks * splits * part)?;
    let arguments = args::AttendFew {
        look: *look,
        parts: parts.at(),
        out: out.at()?,
        splits: splits as u32,
        pad: 0,
    };
    let grid = Grid::of([splits as u32, out.rows as u32, blocks as u32], 128);
    let variant = Variant::Heads(layer.element(), at_once as u32);
    gpu.launch(Kernel::AttendFew, variant, grid, &arguments)?;
    let arguments = args::MergeFew {
        look: *look,
        parts: parts.at(),
        out: out.at()?,
        splits: splits as u32,
        at_once: at_once as u32,
    };
    let threads = a.head_dim.next_multiple_of(32) as u32;
    let grid = Grid::of([a.heads as u32, out.rows as u32, 1], threads);
    gpu.launch(Kernel::MergeFew, Variant::Only, grid, &arguments)
}

/// Where queries of a block go beside the block: place and row for the first that the window wants.
pub struct Places {
    pub ring: Arc<Ring>,
    /// The first row that is written.
    pub row: usize,
}

/// Makes room in the window for the last `wanted` of queries that come.
pub fn ring(
    gpu: &Arc<Gpu>,
    window: &QueryWindow<RingRow>,
    wanted: usize,
    width: usize,
) -> Result<Option<Places>> {
    if wanted == 0 {
        return Ok(None);
    }
    if wanted > 1 {
        let ring = Ring::new(gpu, width, wanted, wanted)?;
        return Ok(Some(Places { ring, row: 0 }));
    }
    let next = window.rows().back().map(|last| (&last.ring, last.row + 1));
    if let Some((ring, row)) = next
        && ring.width() == width
        && ring.claim(row)
    {
        let ring = ring.clone();
        return Ok(Some(Places { ring, row }));
    }
    let ring = Ring::new(gpu, width, RING, 1)?;
    Ok(Some(Places { ring, row: 0 }))
}

/// The window's queries as rows.
pub fn window_rows(gpu: &Arc<Gpu>, window: &QueryWindow<RingRow>) -> Result<Rows> {
    let rows = window.rows();
    let width = rows.front().map_or(0, |row| row.ring.width());
    let out = Rows::new(gpu, rows.len(), width)?;
    let mut first = 0;
    while first < rows.len() {
        let begin = &rows[first];
        let together =
            rows.iter().skip(first).enumerate().take_while(|(i, row)| {
                Arc::ptr_eq(&row.ring, &begin.ring) && row.row == begin.row + i
            });
        let count = together.count();
        let arguments = args::CopyRows {
            x: begin.ring.at(begin.row),
            out: out.part(first, count)?.at()?,
            count: (count * width) as u64,
        };
        let grid = Grid::over(count * width);
        gpu.launch(Kernel::CopyRows, Variant::Only, grid, &arguments)?;
        first += count;
    }
    Ok(out)
}

/// What the window thinks of every entry, in one read.
pub fn scores(
    a: &AttentionShape,
    layer: &PagedLayer,
    q: &Rows,
    sinks: Option<&Buffer>,
) -> Result<Vec<HeadScores>> {
    let gpu = q.gpu();
    let lens = layer.lens();
    let longest = layer.longest();
    if longest == 0 || q.rows == 0 {
        return Ok(lens.iter().map(|_| HeadScores::default()).collect());
    }
    let (pages, queries) = (longest.div_ceil(PAGE), q.rows * a.group());
    let floats = |count: usize| gpu.buffer(count * size_of::<f32>());
    let parts = floats(a.kv_heads * 2 * pages * queries * 2)?;
    let totals = floats(a.kv_heads * queries * 2)?;
    let both = floats(2 * a.kv_heads * longest)?;
    let arguments = args::Window {
        look: look(a, layer, q, Span::default(), sinks)?,
        parts: parts.at(),
        totals: totals.at(),
        mean: both.at(),
        peak: both.at() + (a.kv_heads * longest * size_of::<f32>()) as u64,
        longest: longest as u32,
        halves: 2 * pages as u32,
    };
    // Keys of a page turned round, where there is room for them, and four queries for each half of the threads.
    let shared = |entries: usize| (a.head_dim * (entries + 2 * 4) * size_of::<f32>()) as u32;
    let wide = shared(65) + KEPT <= gpu.driver().limits().shared;
    let by_page = Grid {
        groups: [pages as u32, a.kv_heads as u32, 1],
        threads: 128,
        shared: if wide { shared(65) } else { shared(0) },
    };
    let variant = match wide {
        true => Variant::Of(layer.element()),
        false => Variant::Narrow(layer.element()),
    };
    gpu.launch(Kernel::WindowSums, variant, by_page, &arguments)?;
    let by_query = Grid::of([queries.div_ceil(4) as u32, a.kv_heads as u32, 1], 128);
    gpu.launch(Kernel::WindowTotals, Variant::Only, by_query, &arguments)?;
    gpu.launch(Kernel::WindowScores, variant, by_page, &arguments)?;
    let both = gpu.read_floats(both.at(), 2 * a.kv_heads * longest)?;
    let (mean, peak) = both.split_at(a.kv_heads * longest);
    let of = |all: &[f32], h: usize, len: usize| all[h * longest..h * longest + len].to_vec();
    let heads = lens.iter().enumerate().map(|(h, &len)| HeadScores {
        mean: of(mean, h, len),
        peak: of(peak, h, len),
    });
    Ok(heads.collect())
}
