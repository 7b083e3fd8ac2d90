//! Rows of activations on a device, f32; some only when they are looked at.
//!
//! A norm or a gate before a product, and a sum behind it, can be part of the product's kernel. So these wait: a
//! product with few rows takes what it waits for into its own launch, and everybody else has it computed first.

use std::sync::{Arc, OnceLock};

use candle_core::Result;

use crate::gpu::{Buffer, Gpu, Grid, args, driver::Kernel, driver::Variant};

/// `[rows, width]`, perhaps a part of more rows.
#[derive(Clone)]
pub struct Rows {
    numbers: Arc<Numbers>,
    /// Rows before these.
    before: usize,
    pub rows: usize,
    pub width: usize,
}

struct Numbers {
    gpu: Arc<Gpu>,
    buffer: OnceLock<Buffer>,
    waits: Option<Waits>,
}

/// What comes of other rows.
pub enum Waits {
    Norm {
        x: Rows,
        weight: Arc<Buffer>,
        epsilon: f32,
    },
    /// Of `[rows, gate | up]`; the gate as the kernels count them.
    Gate {
        x: Rows,
        gate: u32,
    },
    Product {
        x: Rows,
        weights: Arc<dyn Product>,
    },
}

/// A product that takes few rows, with what stands before and behind it in one launch.
pub trait Product: Send + Sync {
    fn few(&self, few: &Few<'_>) -> Result<()>;

    /// Whether it can take a gate behind so many rows.
    fn gates(&self, rows: usize) -> bool;
}

pub struct Few<'a> {
    /// Perhaps a norm or a gate that waits.
    pub x: &'a Rows,
    /// Rows that are added, perhaps those at `out`.
    pub plus: Option<u64>,
    pub out: u64,
    /// The outputs are gate and up; what comes of them is half as many.
    pub gate: Option<u32>,
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
        let buffer = gpu.buffer(rows * width * size_of::<f32>())?;
        Ok(Rows::of(buffer, rows, width))
    }

    pub fn upload(gpu: &Arc<Gpu>, host: &[f32], rows: usize) -> Result<Self> {
        let width = host.len() / rows.max(1);
        Ok(Rows::of(gpu.upload(host)?, rows, width))
    }

    fn of(buffer: Buffer, rows: usize, width: usize) -> Self {
        let gpu = buffer.gpu().clone();
        Rows::made(
            Numbers {
                gpu,
                buffer: OnceLock::from(buffer),
                waits: None,
            },
            rows,
            width,
        )
    }

    fn made(numbers: Numbers, rows: usize, width: usize) -> Self {
        Rows {
            numbers: Arc::new(numbers),
            before: 0,
            rows,
            width,
        }
    }

    /// Rows that are computed when they are looked at.
    pub fn waiting(gpu: &Arc<Gpu>, waits: Waits, rows: usize, width: usize) -> Self {
        let numbers = Numbers {
            gpu: gpu.clone(),
            buffer: OnceLock::new(),
            waits: Some(waits),
        };
        Rows::made(numbers, rows, width)
    }

    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.numbers.gpu
    }

    /// What they wait for, as long as nobody had them computed.
    pub fn waits(&self) -> Option<&Waits> {
        match self.numbers.buffer.get() {
            None => self.numbers.waits.as_ref(),
            Some(_) => None,
        }
    }

    /// Whether they wait for a product that can take a gate.
    pub fn gates(&self) -> bool {
        matches!(self.waits(), Some(Waits::Product { weights, .. }) if weights.gates(self.rows))
    }

    /// Their address; computes them first where they wait.
    pub fn at(&self) -> Result<u64> {
        let before = (self.before * self.width * size_of::<f32>()) as u64;
        if let Some(buffer) = self.numbers.buffer.get() {
            return Ok(buffer.at() + before);
        }
        // Those that wait are whole.
        let buffer = self.gpu().buffer(self.count() * size_of::<f32>())?;
        match &self.numbers.waits {
            Some(Waits::Norm { x, weight, epsilon }) => {
                let arguments = args::RmsNorm {
                    x: x.at()?,
                    weight: weight.at(),
                    out: buffer.at(),
                    width: self.width as u32,
                    epsilon: *epsilon,
                };
                let threads = self.width.div_ceil(4).next_multiple_of(32).clamp(64, 512);
                let grid = Grid::of([self.rows as u32, 1, 1], threads as u32);
                self.gpu()
                    .launch(Kernel::RmsNorm, Variant::Only, grid, &arguments)?;
            }
            Some(Waits::Gate { x, gate }) => {
                if let Some(Waits::Product { x, weights }) = x.waits()
                    && weights.gates(x.rows)
                {
                    let few = Few {
                        x,
                        plus: None,
                        out: buffer.at(),
                        gate: Some(*gate),
                    };
                    weights.few(&few)?;
                    return Ok(self.numbers.buffer.get_or_init(|| buffer).at() + before);
                }
                let arguments = args::Gated {
                    x: x.at()?,
                    out: buffer.at(),
                    count: self.count() as u64,
                    width: self.width as u32,
                    gate: *gate,
                };
                let grid = Grid::over(self.count());
                self.gpu()
                    .launch(Kernel::Gated, Variant::Only, grid, &arguments)?;
            }
            Some(Waits::Product { x, weights }) => {
                let few = Few {
                    x,
                    plus: None,
                    out: buffer.at(),
                    gate: None,
                };
                weights.few(&few)?;
            }
            None => {}
        }
        Ok(self.numbers.buffer.get_or_init(|| buffer).at() + before)
    }

    pub fn count(&self) -> usize {
        self.rows * self.width
    }

    /// The same memory, some of the rows.
    pub fn part(&self, start: usize, rows: usize) -> Result<Self> {
        if rows != self.rows {
            self.at()?;
        }
        Ok(Rows {
            numbers: self.numbers.clone(),
            before: self.before + start,
            rows,
            width: self.width,
        })
    }

    /// A place for what comes of them: their own where nobody else looks at it.
    fn result(&mut self) -> Result<Rows> {
        self.at()?;
        match Arc::get_mut(&mut self.numbers).is_some() {
            true => Ok(self.clone()),
            false => Rows::new(self.gpu(), self.rows, self.width),
        }
    }

    /// Each number with one of `y`, of which every one serves as many as fit.
    pub fn with(mut self, op: Op, y: Option<&Rows>) -> Result<Rows> {
        if let (Op::Add, Some(y)) = (op, y)
            && let Some(Waits::Product { x, weights }) = y.waits()
            && (y.rows, y.width) == (self.rows, self.width)
        {
            let out = self.result()?;
            let few = Few {
                x,
                plus: Some(self.at()?),
                out: out.at()?,
                gate: None,
            };
            weights.few(&few)?;
            return Ok(out);
        }
        let out = self.result()?;
        let (code, by) = match op {
            Op::Add => (0, 0.0),
            Op::Times => (1, 0.0),
            Op::Open => (2, 0.0),
            Op::Scale(by) => (3, by),
        };
        let arguments = args::Elementwise {
            x: self.at()?,
            y: y.map_or(Ok(0), Rows::at)?,
            out: out.at()?,
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
        let to = self.part(start, rows.rows)?;
        let arguments = args::CopyRows {
            x: rows.at()?,
            out: to.at()?,
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
            x: self.at()?,
            out: out.at()?,
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
        self.gpu().read_floats(self.at()?, self.count())
    }
}
