//! Rows of activations on a device, f32.

use std::sync::Arc;

use candle_core::Result;

use crate::gpu::{Buffer, Gpu, Grid, args, driver::Kernel, driver::Variant};

/// `[rows, width]`, perhaps a part of more rows.
#[derive(Clone)]
pub struct Rows {
    buffer: Arc<Buffer>,
    /// Rows before these.
    before: usize,
    pub rows: usize,
    pub width: usize,
}

/// What a number does with another, as `elementwise` counts them.
#[derive(Clone, Copy)]
pub enum Op {
    Add,
    Times,
    /// `x · σ(y)`
    Open,
    /// `x` times a constant.
    Scale(f32),
}

impl Rows {
    pub fn new(gpu: &Arc<Gpu>, rows: usize, width: usize) -> Result<Self> {
        Ok(Rows {
            buffer: Arc::new(gpu.buffer(rows * width * size_of::<f32>())?),
            before: 0,
            rows,
            width,
        })
    }

    pub fn upload(gpu: &Arc<Gpu>, host: &[f32], rows: usize) -> Result<Self> {
        Ok(Rows {
            buffer: Arc::new(gpu.upload(host)?),
            before: 0,
            rows,
            width: host.len() / rows.max(1),
        })
    }

    pub fn gpu(&self) -> &Arc<Gpu> {
        self.buffer.gpu()
    }

    pub fn at(&self) -> u64 {
        self.buffer.at() + (self.before * self.width * size_of::<f32>()) as u64
    }

    pub fn count(&self) -> usize {
        self.rows * self.width
    }

    /// The same memory, some of the rows.
    pub fn part(&self, start: usize, rows: usize) -> Self {
        Rows {
            buffer: self.buffer.clone(),
            before: self.before + start,
            rows,
            width: self.width,
        }
    }

    /// A place for what comes of them: their own where nobody else looks at it.
    fn result(&mut self) -> Result<Rows> {
        match Arc::get_mut(&mut self.buffer).is_some() {
            true => Ok(self.clone()),
            false => Rows::new(self.buffer.gpu(), self.rows, self.width),
        }
    }

    /// Each number with one of `y`, of which every one serves as many as fit.
    pub fn with(mut self, op: Op, y: Option<&Rows>) -> Result<Rows> {
        let out = self.result()?;
        let (code, by) = match op {
            Op::Add => (0, 0.0),
            Op::Times => (1, 0.0),
            Op::Open => (2, 0.0),
            Op::Scale(by) => (3, by),
        };
        let arguments = args::Elementwise {
            x: self.at(),
            y: y.map_or(0, Rows::at),
            out: out.at(),
            count: self.count() as u64,
            each: y.map_or(1, |y| self.width / y.width.max(1)) as u32,
            op: code,
            by,
            pad: 0,
        };
        let grid = Grid::over(self.count());
        self.gpu()
            .launch(Kernel::Elementwise, Variant::Only, grid, &arguments)?;
        Ok(out)
    }

    /// Writes `rows` over these from row `start` on.
    pub fn put(&self, start: usize, rows: &Rows) -> Result<()> {
        let to = self.part(start, rows.rows);
        let arguments = args::CopyRows {
            x: rows.at(),
            out: to.at(),
            count: rows.count() as u64,
        };
        let grid = Grid::over(rows.count());
        self.gpu()
            .launch(Kernel::CopyRows, Variant::Only, grid, &arguments)
    }

    /// Of each row, seen as runs of `every` numbers, `len` of each run behind `from`; to place `to` of rows of `out`.
    pub fn columns(
        &self,
        every: usize,
        from: usize,
        len: usize,
        out: &Rows,
        to: usize,
    ) -> Result<()> {
        let count = self.count() / every.max(1) * len;
        let arguments = args::Columns {
            x: self.at(),
            out: out.at(),
            count: count as u64,
            width: self.width as u32,
            every: every as u32,
            from: from as u32,
            len: len as u32,
            to_width: out.width as u32,
            to: to as u32,
        };
        self.gpu().launch(
            Kernel::Columns,
            Variant::Only,
            Grid::over(count),
            &arguments,
        )
    }

    pub fn read(&self) -> Result<Vec<f32>> {
        self.gpu().read_floats(self.at(), self.count())
    }
}
