//! One queue of kernels. Launches are noted and run when something is read, uploaded or multiplied; where the same
//! launches come again (a decoded token's do), they are recorded as one thing and run as that.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::Result;

use super::args::{self, Arguments};
use super::driver::{ARGUMENTS, Driver, Kernel, Launch, MatMul, Variant};
use super::pool::{Pool, Usage, class};

/// Most words that are poked at once.
const POKES: usize = 2048;
/// Launches that are noted at most, so that a device does not wait for a host that only notes.
const LONGEST: usize = 4096;
/// Fewer are not worth recording.
const SHORTEST: usize = 16;

/// A device and what it has to do.
pub struct Gpu {
    driver: Box<dyn Driver>,
    queue: Mutex<Queue>,
}

struct Queue {
    pool: Pool,
    list: Vec<Launch>,
    pokes: Vec<[u64; 2]>,
    /// Where pokes are uploaded to; 0 before the first.
    poke_buffer: u64,
    /// What ran last.
    last: Vec<Launch>,
    recorded: Option<(Vec<Launch>, u64)>,
    step: Step,
}

/// A decoded token, whose number and position the kernels find on the device.
#[derive(Clone, Copy, Default)]
struct Step {
    /// Counts them.
    number: u64,
    open: bool,
    /// Where the token is, and behind it its position; 0 before the first.
    at: u64,
    position: Option<u32>,
}

/// How threads are shared out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    pub groups: [u32; 3],
    pub threads: u32,
    /// Bytes of shared memory beside what the kernel declares.
    pub shared: u32,
}

impl Grid {
    /// A thread for each of `count` things.
    pub fn over(count: usize) -> Self {
        const THREADS: usize = 256;
        Grid::of([count.div_ceil(THREADS) as u32, 1, 1], THREADS as u32)
    }

    pub fn of(groups: [u32; 3], threads: u32) -> Self {
        Grid {
            groups,
            threads,
            shared: 0,
        }
    }
}

impl Gpu {
    pub fn new(driver: Box<dyn Driver>) -> Arc<Self> {
        let queue = Queue {
            pool: Pool::default(),
            list: Vec::new(),
            pokes: Vec::new(),
            poke_buffer: 0,
            last: Vec::new(),
            recorded: None,
            step: Step::default(),
        };
        Arc::new(Gpu {
            driver,
            queue: Mutex::new(queue),
        })
    }

    pub fn driver(&self) -> &dyn Driver {
        &*self.driver
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes behind all that was enqueued.
    pub fn write(&self, at: u64, data: &[u8]) -> Result<()> {
        let mut queue = self.queue();
        self.run(&mut queue)?;
        self.driver.upload(at, data)
    }

    /// Takes memory; where there is none left, once more when what nobody uses went back.
    pub(super) fn take(&self, take: impl Fn(&mut Pool, &dyn Driver) -> Result<u64>) -> Result<u64> {
        if let Ok(at) = take(&mut self.queue().pool, self.driver()) {
            return Ok(at);
        }
        self.trim()?;
        take(&mut self.queue().pool, self.driver())
    }

    pub(super) fn give_back(&self, at: u64, bytes: usize) {
        self.queue().pool.put(at, bytes);
    }

    pub(super) fn give_page_back(&self, at: u64, bytes: usize) {
        self.queue().pool.put_page(at, bytes);
    }

    /// Enqueues a kernel.
    pub fn launch<A: Arguments>(
        &self,
        kernel: Kernel,
        variant: Variant,
        grid: Grid,
        arguments: &A,
    ) -> Result<()> {
        let launch = launch(kernel, variant, grid, arguments);
        if launch.grid.contains(&0) {
            return Ok(());
        }
        let mut queue = self.queue();
        queue.list.push(launch);
        match queue.list.len() < LONGEST {
            true => Ok(()),
            false => self.run(&mut queue),
        }
    }

    pub fn multiply(&self, product: &MatMul) -> Result<()> {
        let mut queue = self.queue();
        self.run(&mut queue)?;
        self.driver.multiply(product)
    }

    /// Waits for all that was enqueued and reads.
    pub fn read(&self, at: u64, bytes: usize) -> Result<Vec<u8>> {
        let mut out = vec![0; bytes];
        let mut queue = self.queue();
        self.run(&mut queue)?;
        self.driver.read(at, &mut out)?;
        Ok(out)
    }

    pub fn read_floats(&self, at: u64, count: usize) -> Result<Vec<f32>> {
        let mut out = vec![0.0f32; count];
        let mut queue = self.queue();
        self.run(&mut queue)?;
        self.driver.read(at, bytemuck::cast_slice_mut(&mut out))?;
        Ok(out)
    }

    /// Begins the step of a decoded token, which the kernels find where this says.
    pub fn begin_step(&self, token: u32) -> Result<u64> {
        let mut queue = self.queue();
        self.run(&mut queue)?;
        if queue.poke_buffer == 0 {
            queue.poke_buffer = self.own(&mut queue, class(16 * POKES))?;
        }
        if queue.step.at == 0 {
            queue.step.at = self.own(&mut queue, class(64))?;
        }
        let at = queue.step.at;
        queue.step = Step {
            number: queue.step.number + 1,
            open: true,
            at,
            position: None,
        };
        queue.pokes.push([at | 1, u64::from(token)]);
        Ok(at)
    }

    /// What comes now is no decoded token.
    pub fn end_step(&self) {
        self.queue().step.open = false;
    }

    /// The number of the step that is open, and where its position is on the device.
    pub fn step_at(&self, position: u32) -> Option<(u64, u64)> {
        let mut queue = self.queue();
        if !queue.step.open {
            return None;
        }
        let at = queue.step.at + 8;
        match queue.step.position {
            None => {
                queue.step.position = Some(position);
                queue.pokes.push([at | 1, u64::from(position)]);
            }
            Some(told) if told != position => return None,
            Some(_) => {}
        }
        Some((queue.step.number, at))
    }

    /// Where the newest position of step `number` is on the device, as long as no other step began.
    pub fn position_of(&self, number: u64) -> Option<u64> {
        let step = self.queue().step;
        (step.number == number && number > 0).then_some(step.at + 8)
    }

    /// Writes a word before all that was enqueued since the last run, which must not have looked at it.
    pub fn poke(&self, at: u64, value: u64) -> Result<()> {
        let mut queue = self.queue();
        queue.pokes.push([at, value]);
        match queue.pokes.len() < POKES {
            true => Ok(()),
            false => self.send_pokes(&mut queue),
        }
    }

    /// Whether pokes take effect as soon as they should: in a step.
    pub fn in_step(&self) -> bool {
        self.queue().step.open
    }

    /// What is taken and used of the device's memory.
    pub fn usage(&self) -> Usage {
        self.queue().pool.usage
    }

    /// Gives back what nobody uses and counts the most that is taken anew.
    pub fn forget_peak(&self) -> Result<()> {
        let mut queue = self.queue();
        self.run(&mut queue)?;
        self.trim_idle(&mut queue);
        queue.pool.forget_peak();
        Ok(())
    }

    /// Gives back what nobody uses.
    pub fn trim(&self) -> Result<()> {
        let mut queue = self.queue();
        self.run(&mut queue)?;
        self.trim_idle(&mut queue);
        Ok(())
    }

    /// The same when nothing is noted.
    fn trim_idle(&self, queue: &mut Queue) {
        // What was recorded may use what is given back.
        if let Some((_, recorded)) = queue.recorded.take() {
            self.driver.forget(recorded);
        }
        queue.last.clear();
        queue.pool.trim(self.driver());
    }

    /// Memory for the queue itself, when nothing is noted.
    fn own(&self, queue: &mut Queue, bytes: usize) -> Result<u64> {
        if let Ok(at) = queue.pool.take(self.driver(), bytes) {
            return Ok(at);
        }
        self.trim_idle(queue);
        queue.pool.take(self.driver(), bytes)
    }

    fn send_pokes(&self, queue: &mut Queue) -> Result<()> {
        // There are none before the first step, which brings the buffer.
        if queue.pokes.is_empty() {
            return Ok(());
        }
        let pokes = std::mem::take(&mut queue.pokes);
        self.driver
            .upload(queue.poke_buffer, bytemuck::cast_slice(&pokes))?;
        let arguments = args::Poke {
            pairs: queue.poke_buffer,
            count: pokes.len() as u32,
            pad: 0,
        };
        let grid = Grid::of([pokes.len().div_ceil(64) as u32, 1, 1], 64);
        self.driver
            .launch(&launch(Kernel::Poke, Variant::Only, grid, &arguments))
    }

    /// Runs what is noted.
    fn run(&self, queue: &mut Queue) -> Result<()> {
        self.send_pokes(queue)?;
        if queue.list.is_empty() {
            return Ok(());
        }
        let list = std::mem::take(&mut queue.list);
        if let Some((of, recorded)) = &queue.recorded
            && *of == list
        {
            let done = self.driver.replay(*recorded);
            queue.list = recycled(list);
            return done;
        }
        if list.len() >= SHORTEST && list == queue.last {
            if let Some((_, old)) = queue.recorded.take() {
                self.driver.forget(old);
            }
            if let Some(recorded) = self.driver.record(&list)? {
                let done = self.driver.replay(recorded);
                queue.recorded = Some((list, recorded));
                return done;
            }
        }
        for launch in &list {
            self.driver.launch(launch)?;
        }
        queue.list = recycled(std::mem::replace(&mut queue.last, list));
        Ok(())
    }
}

fn recycled(mut list: Vec<Launch>) -> Vec<Launch> {
    list.clear();
    list
}

/// A launch with these arguments.
pub(super) fn launch<A: Arguments>(
    kernel: Kernel,
    variant: Variant,
    grid: Grid,
    arguments: &A,
) -> Launch {
    let bytes = bytemuck::bytes_of(arguments);
    let mut all = [0; ARGUMENTS];
    all[..bytes.len()].copy_from_slice(bytes);
    Launch {
        kernel,
        variant,
        grid: grid.groups,
        threads: grid.threads,
        shared: grid.shared,
        arguments: all,
        len: bytes.len(),
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        let queue = self.queue.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, recorded)) = queue.recorded.take() {
            self.driver.forget(recorded);
        }
        // What is enqueued uses memory that goes.
        let _ = self.driver.read(queue.poke_buffer, &mut []);
        for at in [queue.poke_buffer, queue.step.at] {
            if at != 0 {
                let bytes = if at == queue.step.at {
                    class(64)
                } else {
                    class(16 * POKES)
                };
                queue.pool.put(at, bytes);
            }
        }
        queue.pool.trim(&*self.driver);
    }
}
