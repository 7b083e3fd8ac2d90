//! THE EMULATED DEVICE. Runs the kernels on the host, each thread of a group as a fiber, in an order drawn by
//! chance: for tests where there is no GPU, and for what a GPU does not tell (memory that was never written,
//! threads that do not meet).

#[cfg_attr(not(unix), path = "nowhere.rs")]
mod library;
mod memory;
mod multiply;
#[cfg(all(test, unix))]
mod tests;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::{Result, bail};

use super::driver::{Driver, Launch, Limits, MatMul};
use super::product::product;
use library::{Entry, Library};
use memory::Memory;

/// What a device was asked for since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Launches, without those of recorded lists.
    pub launches: u64,
    pub products: u64,
    pub uploads: u64,
    pub uploaded_bytes: u64,
    pub reads: u64,
    pub read_bytes: u64,
    pub copies: u64,
    pub copied_bytes: u64,
    pub allocations: u64,
    pub records: u64,
    pub replays: u64,
    /// Launches of recorded lists.
    pub replayed: u64,
}

pub struct Emulated {
    library: &'static Library,
    seed: u64,
    limits: Limits,
    /// Nothing is computed.
    idle: bool,
    state: Mutex<State>,
}

struct State {
    memory: Memory,
    counts: Counts,
    /// Launches so far: each has its own order.
    turn: u64,
    entries: HashMap<String, Entry>,
    recorded: HashMap<u64, Vec<Launch>>,
}

impl Emulated {
    /// A device whose threads run in an order that follows from `seed`.
    ///
    /// # Errors
    /// Where no C++ compiler is found, or the kernels do not compile.
    pub fn new(seed: u64) -> Result<Emulated> {
        Ok(Emulated {
            library: library::loaded()?,
            seed,
            limits: Limits::WIDE,
            idle: false,
            state: Mutex::new(State {
                memory: Memory::default(),
                counts: Counts::default(),
                turn: 0,
                entries: HashMap::new(),
                recorded: HashMap::new(),
            }),
        })
    }

    /// The same with no more than `bytes` bytes of memory.
    ///
    /// # Errors
    /// As for [`Emulated::new`].
    pub fn limited(seed: u64, bytes: u64) -> Result<Emulated> {
        let device = Emulated::new(seed)?;
        device.state().memory.limit = Some(bytes);
        Ok(device)
    }

    /// The same in the place of a device that can do little (Metal): no instructions for products of matrices or of
    /// bytes, no library for them, nothing recorded, and little memory that a group shares.
    ///
    /// # Errors
    /// As for [`Emulated::new`].
    pub fn narrow(seed: u64) -> Result<Emulated> {
        Ok(Emulated {
            limits: Limits::NARROW,
            ..Emulated::new(seed)?
        })
    }

    /// The same without its kernels' work: for what only asks which memory is taken and what is launched.
    ///
    /// # Errors
    /// As for [`Emulated::new`].
    pub fn idle(seed: u64) -> Result<Emulated> {
        let device = Emulated::new(seed)?;
        device.state().memory.blank = true;
        Ok(Emulated {
            idle: true,
            ..device
        })
    }

    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Bytes that are allocated.
    pub fn used(&self) -> u64 {
        self.state().memory.used
    }

    /// Most bytes that were allocated at once.
    pub fn peak(&self) -> u64 {
        self.state().memory.peak
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the kernel of that name.
    fn call(&self, state: &mut State, symbol: &str, launch: &Launch) -> Result<()> {
        if !self.limits.has(launch.kernel) {
            bail!("the device has no kernel {symbol}");
        }
        if !state.entries.contains_key(symbol) {
            let entry = self.library.entry(symbol)?;
            state.entries.insert(symbol.to_owned(), entry);
        }
        let shared = state.entries[symbol].shares + launch.shared;
        if shared > self.limits.shared {
            let most = self.limits.shared;
            bail!("{symbol} shares {shared} bytes, and {most} are the most");
        }
        let Some(arguments) = launch.arguments.get(..launch.len) else {
            bail!("{symbol} has no room for {} bytes of arguments", launch.len);
        };
        if self.idle {
            return Ok(());
        }
        state.turn += 1;
        let seed = self.seed.wrapping_add(state.turn << 32);
        state.entries[symbol].run(
            symbol,
            arguments,
            launch.grid,
            launch.threads,
            launch.shared,
            seed,
        )
    }
}

impl Driver for Emulated {
    fn name(&self) -> &'static str {
        "emulated"
    }

    fn alloc(&self, bytes: usize) -> Result<u64> {
        let mut state = self.state();
        state.counts.allocations += 1;
        state.memory.alloc(bytes)
    }

    fn free(&self, at: u64, bytes: usize) {
        self.state().memory.free(at, bytes);
    }

    fn upload(&self, at: u64, data: &[u8]) -> Result<()> {
        let mut state = self.state();
        state.counts.uploads += 1;
        state.counts.uploaded_bytes += data.len() as u64;
        state.memory.write(at, data)
    }

    fn read(&self, at: u64, out: &mut [u8]) -> Result<()> {
        let mut state = self.state();
        state.counts.reads += 1;
        state.counts.read_bytes += out.len() as u64;
        state.memory.read(at, out)
    }

    fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<()> {
        let mut state = self.state();
        state.counts.copies += 1;
        state.counts.copied_bytes += bytes as u64;
        state.memory.copy(from, to, bytes)
    }

    fn launch(&self, launch: &Launch) -> Result<()> {
        let mut state = self.state();
        state.counts.launches += 1;
        self.call(&mut state, &launch.symbol(), launch)
    }

    fn multiply(&self, matrices: &MatMul) -> Result<()> {
        let mut state = self.state();
        state.counts.products += 1;
        if !self.limits.tiles {
            let launch = product(matrices)?;
            return launch.map_or(Ok(()), |l| self.call(&mut state, &l.symbol(), &l));
        }
        match self.idle {
            true => Ok(()),
            false => multiply::multiply(&mut state.memory, matrices),
        }
    }

    fn record(&self, list: &[Launch]) -> Result<Option<u64>> {
        if !self.limits.tiles {
            return Ok(None);
        }
        let mut state = self.state();
        state.counts.records += 1;
        let number = state.counts.records;
        state.recorded.insert(number, list.to_vec());
        Ok(Some(number))
    }

    fn replay(&self, recorded: u64) -> Result<()> {
        let mut state = self.state();
        let Some(list) = state.recorded.get(&recorded).cloned() else {
            bail!("nothing is recorded as {recorded}");
        };
        state.counts.replays += 1;
        state.counts.replayed += list.len() as u64;
        let mut run = |launch: &Launch| self.call(&mut state, &launch.symbol(), launch);
        list.iter().try_for_each(&mut run)
    }

    fn forget(&self, recorded: u64) {
        self.state().recorded.remove(&recorded);
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn memory(&self) -> Option<(u64, u64)> {
        let state = self.state();
        let all = state.memory.limit?;
        Some((all.saturating_sub(state.memory.used), all))
    }
}
