//! What a GPU is asked to do, and by whom it is done: CUDA, Metal, or the host in their place.

use candle_core::Result;

/// The kernels, by their names in `kernels/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kernel {
    Poke,
    Embed,
    RmsNorm,
    MatVec,
    MatVecPacked,
    Dequantise,
    Convert,
    Behind,
    Elementwise,
    Gated,
    Columns,
    Append,
    CopyRows,
    AttendFew,
    MergeFew,
    AttendMany,
    WindowSums,
    WindowTotals,
    WindowScores,
    Gather,
    LargestParts,
    LargestOfAll,
    Product,
}

impl Kernel {
    pub const ALL: [Kernel; 23] = [
        Kernel::Poke,
        Kernel::Embed,
        Kernel::RmsNorm,
        Kernel::MatVec,
        Kernel::MatVecPacked,
        Kernel::Dequantise,
        Kernel::Convert,
        Kernel::Behind,
        Kernel::Elementwise,
        Kernel::Gated,
        Kernel::Columns,
        Kernel::Append,
        Kernel::CopyRows,
        Kernel::AttendFew,
        Kernel::MergeFew,
        Kernel::AttendMany,
        Kernel::WindowSums,
        Kernel::WindowTotals,
        Kernel::WindowScores,
        Kernel::Gather,
        Kernel::LargestParts,
        Kernel::LargestOfAll,
        Kernel::Product,
    ];
}

/// Most bytes of a kernel's arguments.
pub const ARGUMENTS: usize = 256;

/// One kernel over a grid of groups of threads. `variant` names a compiled form of the kernel (types,
/// head sizes), see [`Launch::symbol`].
#[derive(Clone, Copy, PartialEq)]
pub struct Launch {
    pub kernel: Kernel,
    pub variant: Variant,
    pub grid: [u32; 3],
    /// Threads of a group, a multiple of 32.
    pub threads: u32,
    /// Bytes of memory that a group shares beside what the kernel declares.
    pub shared: u32,
    pub arguments: [u8; ARGUMENTS],
    /// Bytes of them that are used.
    pub len: usize,
}

/// Which form of a kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Variant {
    #[default]
    Only,
    /// So many rows at once.
    Rows(u32),
    /// Numbers of a type.
    Of(Element),
    /// The same with little shared memory.
    Narrow(Element),
    /// And heads of a size, or so many of them at once.
    Heads(Element, u32),
}

/// Types of numbers on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    F32,
    F16,
    BF16,
}

impl Element {
    pub fn bytes(self) -> usize {
        match self {
            Element::F32 => 4,
            Element::F16 | Element::BF16 => 2,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Element::F32 => "f32",
            Element::F16 => "f16",
            Element::BF16 => "bf16",
        }
    }
}

impl Launch {
    /// The function's name: `attend_few_f16_128`.
    pub fn symbol(&self) -> String {
        symbol(self.kernel, self.variant)
    }
}

pub fn symbol(kernel: Kernel, variant: Variant) -> String {
    let name = match kernel {
        Kernel::Poke => "poke",
        Kernel::Embed => "embed",
        Kernel::RmsNorm => "rms_norm",
        Kernel::MatVec => "mat_vec",
        Kernel::MatVecPacked => "mat_vec_packed",
        Kernel::Dequantise => "dequantise",
        Kernel::Convert => "convert",
        Kernel::Behind => "behind",
        Kernel::Elementwise => "elementwise",
        Kernel::Gated => "gated",
        Kernel::Columns => "columns",
        Kernel::Append => "append",
        Kernel::CopyRows => "copy_rows",
        Kernel::AttendFew => "attend_few",
        Kernel::MergeFew => "merge_few",
        Kernel::AttendMany => "attend_many",
        Kernel::WindowSums => "window_sums",
        Kernel::WindowTotals => "window_totals",
        Kernel::WindowScores => "window_scores",
        Kernel::Gather => "gather",
        Kernel::LargestParts => "largest_parts",
        Kernel::LargestOfAll => "largest_of_all",
        Kernel::Product => "product",
    };
    match variant {
        Variant::Only => name.into(),
        Variant::Rows(rows) => format!("{name}_{rows}"),
        Variant::Of(element) => format!("{name}_{}", element.name()),
        Variant::Narrow(element) => format!("{name}_{}_narrow", element.name()),
        Variant::Heads(element, heads) => format!("{name}_{}_{heads}", element.name()),
    }
}

/// `out[rows, outputs] = x[rows, inputs] · weight[outputs, inputs]ᵀ`: `x` and `weight` of one type,
/// sums and `out` in f32, row-major, `out`'s rows `stride` numbers apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MatMul {
    pub element: Element,
    pub weight: u64,
    pub x: u64,
    pub out: u64,
    pub rows: usize,
    pub inputs: usize,
    pub outputs: usize,
    pub stride: usize,
}

/// What kernels can count on beyond what every device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that a group may share at most, whatever a kernel declares of them.
    pub shared: u32,
    /// Whether there are instructions for products of matrices, and so [`Kernel::AttendMany`].
    pub tiles: bool,
    /// Whether there are instructions for products of four bytes, and so [`Kernel::MatVecPacked`].
    pub integers: bool,
}

impl Limits {
    /// NVIDIA's from the A100 on: what each has, some share more.
    pub const WIDE: Limits = Limits {
        shared: 99 << 10,
        tiles: true,
        integers: true,
    };
    /// Apple's, and the least there is.
    pub const NARROW: Limits = Limits {
        shared: 32 << 10,
        tiles: false,
        integers: false,
    };

    /// Whether a device of these limits has that kernel.
    pub fn has(self, kernel: Kernel) -> bool {
        match kernel {
            Kernel::AttendMany => self.tiles,
            Kernel::MatVecPacked => self.integers,
            _ => true,
        }
    }
}

/// Something that runs kernels in the order in which it is told to. Addresses are the device's own.
///
/// All calls are made by one thread at a time, which need not be the same one each time.
pub trait Driver: Send + Sync + 'static {
    fn name(&self) -> &'static str;

    /// Memory of `bytes` bytes, aligned to 256; what is in it is anything.
    ///
    /// # Errors
    /// [`out_of_memory`] where there is too little.
    fn alloc(&self, bytes: usize) -> Result<u64>;

    /// Gives memory back; nothing that was enqueued uses it.
    fn free(&self, at: u64, bytes: usize);

    /// Behind all that was enqueued; `data` may go as soon as it returns.
    fn upload(&self, at: u64, data: &[u8]) -> Result<()>;

    /// Waits for all that was enqueued.
    fn read(&self, at: u64, out: &mut [u8]) -> Result<()>;

    /// A copy inside the device.
    fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<()>;

    fn launch(&self, launch: &Launch) -> Result<()>;

    fn multiply(&self, product: &MatMul) -> Result<()>;

    /// Makes one thing of many launches, to be run again and again; `None` where that gains nothing.
    fn record(&self, list: &[Launch]) -> Result<Option<u64>>;

    /// Runs what was recorded.
    fn replay(&self, recorded: u64) -> Result<()>;

    fn forget(&self, recorded: u64);

    /// Groups of threads that run side by side, about.
    fn multiprocessors(&self) -> u32 {
        4
    }

    fn limits(&self) -> Limits {
        Limits::WIDE
    }

    /// Free bytes and all, as the driver says.
    fn memory(&self) -> Option<(u64, u64)>;
}

/// The error of a device that is full.
pub fn out_of_memory(bytes: usize, free: Option<u64>) -> candle_core::Error {
    let mib = |b: u64| b.div_ceil(1 << 20);
    let left = free.map_or(String::new(), |free| {
        format!(", {} MiB are free", mib(free))
    });
    candle_core::Error::Msg(format!(
        "the GPU's memory is full: {} MiB more are needed{left}; use a smaller --budget or a shorter text, a smaller model, or --device cpu",
        mib(bytes as u64)
    ))
}

/// Shared by who runs it and who looks at it.
impl<D: Driver> Driver for std::sync::Arc<D> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn alloc(&self, bytes: usize) -> Result<u64> {
        (**self).alloc(bytes)
    }

    fn free(&self, at: u64, bytes: usize) {
        (**self).free(at, bytes);
    }

    fn upload(&self, at: u64, data: &[u8]) -> Result<()> {
        (**self).upload(at, data)
    }

    fn read(&self, at: u64, out: &mut [u8]) -> Result<()> {
        (**self).read(at, out)
    }

    fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<()> {
        (**self).copy(from, to, bytes)
    }

    fn launch(&self, launch: &Launch) -> Result<()> {
        (**self).launch(launch)
    }

    fn multiply(&self, product: &MatMul) -> Result<()> {
        (**self).multiply(product)
    }

    fn record(&self, list: &[Launch]) -> Result<Option<u64>> {
        (**self).record(list)
    }

    fn replay(&self, recorded: u64) -> Result<()> {
        (**self).replay(recorded)
    }

    fn forget(&self, recorded: u64) {
        (**self).forget(recorded);
    }

    fn multiprocessors(&self) -> u32 {
        (**self).multiprocessors()
    }

    fn limits(&self) -> Limits {
        (**self).limits()
    }

    fn memory(&self) -> Option<(u64, u64)> {
        (**self).memory()
    }
}
