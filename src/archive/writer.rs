//! Writes segments on a thread of its own, so that no turn waits for a disk.

use std::collections::HashMap;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::folder;
use super::header::{Header, VERSION};
use super::layout::Layout;
use crate::cache::HeadPages;
use crate::heap;

/// Bytes that may wait to be written, or one layer. A disk that is further behind goes on without the
/// segment.
const WAITING: usize = 256 << 20;

/// How long a disk is waited for where there is nothing else to do.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Where bytes go: a file, or in tests something that fails.
pub trait Out: Write + Seek + Send {}

impl<T: Write + Seek + Send> Out for T {}

/// Makes the file that a segment is written into, in a folder.
pub type Create = dyn Fn(&Path) -> io::Result<(Box<dyn Out>, PathBuf)> + Send;

/// A file of the system's.
pub fn create(folder: &Path) -> io::Result<(Box<dyn Out>, PathBuf)> {
    let (file, path) = folder::create(folder)?;
    Ok((Box::new(file), path))
}

/// A segment to be written.
pub struct Order {
    /// Name of the tokens before it.
    pub start: String,
    pub ids: Vec<u32>,
    /// Of its tokens, before which states are kept.
    pub snapshots: Vec<usize>,
    pub file_name: String,
}

enum Job {
    Begin(u64, Order),
    Layer(u64, usize, Vec<HeadPages>),
    Commit(u64),
    Abandon(u64),
    Touch(Vec<PathBuf>),
    Tell(Sender<()>),
}

/// The front of the thread.
pub struct Writer {
    jobs: Sender<Job>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Bytes that wait.
    waiting: AtomicUsize,
    /// The most that waited since it was asked for last.
    most: AtomicUsize,
    number: AtomicUsize,
    trouble: Mutex<Option<String>>,
}

impl Writer {
    /// Writes into `folder`, a folder of `root`, all of whose segments together stay within `limit`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        root: PathBuf,
        folder: PathBuf,
        layout: Layout,
        limit: u64,
        create: Box<Create>,
    ) -> io::Result<Writer> {
        let (jobs, inbox) = channel();
        let state = Arc::new(State::default());
        let mut desk = Desk {
            root,
            folder,
            layout,
            limit,
            create,
            open: HashMap::new(),
            state: state.clone(),
            buffer: Vec::new(),
        };
        std::thread::Builder::new()
            .name("archive".into())
            .spawn(move || desk.work(&inbox))?;
        Ok(Writer { jobs, state })
    }

    /// Begins a segment and gives its number.
    pub fn begin(&self, order: Order) -> u64 {
        let number = self.state.number.fetch_add(1, SeqCst) as u64;
        self.put(Job::Begin(number, order));
        number
    }

    /// `[head][page row]` of a layer. False where the disk is too far behind: the segment is given up.
    pub fn layer(&self, segment: u64, layer: usize, pages: Vec<HeadPages>) -> bool {
        let bytes = bytes_of(&pages);
        let waiting = self.state.waiting.fetch_add(bytes, SeqCst) + bytes;
        self.state.most.fetch_max(waiting, SeqCst);
        if waiting > WAITING && waiting > bytes {
            self.state.waiting.fetch_sub(bytes, SeqCst);
            self.abandon(segment);
            self.state.complain("the disk is too slow for it".into());
            return false;
        }
        self.put(Job::Layer(segment, layer, pages));
        true
    }

    pub fn commit(&self, segment: u64) {
        self.put(Job::Commit(segment));
    }

    pub fn abandon(&self, segment: u64) {
        self.put(Job::Abandon(segment));
    }

    /// See [`folder::touch`].
    pub fn touch(&self, paths: Vec<PathBuf>) {
        self.put(Job::Touch(paths));
    }

    /// Waits until everything asked for is done, but no longer than `most`.
    pub fn settle(&self, most: Duration) {
        let (tell, told) = channel();
        self.put(Job::Tell(tell));
        let _ = told.recv_timeout(most);
    }

    /// The most bytes that were to be written at once since this was asked last.
    pub fn most_waiting(&self) -> usize {
        self.state
            .most
            .swap(self.state.waiting.load(SeqCst), SeqCst)
    }

    /// What went wrong since this was asked last.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.state.trouble).take()
    }

    fn put(&self, job: Job) {
        // A thread that is gone has complained.
        let _ = self.jobs.send(job);
    }
}

impl Drop for Writer {
    /// What was asked for is written before the program ends.
    fn drop(&mut self) {
        self.settle(PATIENCE);
    }
}

impl State {
    fn complain(&self, message: String) {
        lock(&self.trouble).get_or_insert(message);
    }
}

/// What the thread works with.
struct Desk {
    root: PathBuf,
    folder: PathBuf,
    layout: Layout,
    limit: u64,
    create: Box<Create>,
    open: HashMap<u64, Open>,
    state: Arc<State>,
    buffer: Vec<u8>,
}

struct Open {
    out: Box<dyn Out>,
    path: PathBuf,
    header: Header,
    file_name: String,
    /// Layers that are there.
    layers: usize,
}

impl Desk {
    fn work(&mut self, inbox: &Receiver<Job>) {
        while let Ok(job) = inbox.recv() {
            match job {
                Job::Begin(number, order) => match self.begin(order) {
                    Ok(open) => {
                        self.open.insert(number, open);
                    }
                    Err(error) => self.complain(&error),
                },
                Job::Layer(number, layer, pages) => {
                    let bytes = bytes_of(&pages);
                    let done = self.layer(number, layer, &pages);
                    drop(pages);
                    self.state.waiting.fetch_sub(bytes, SeqCst);
                    if let Err(error) = done {
                        self.give_up(number, &error);
                    }
                }
                Job::Commit(number) => {
                    if let Some(open) = self.open.remove(&number)
                        && let Err((error, path)) = self.commit(open)
                    {
                        let _ = std::fs::remove_file(path);
                        self.complain(&error);
                    }
                    heap::give_back();
                }
                Job::Abandon(number) => {
                    self.remove(number);
                    heap::give_back();
                }
                Job::Touch(paths) => folder::touch(&paths),
                Job::Tell(who) => {
                    let _ = who.send(());
                }
            }
        }
        let unfinished: Vec<u64> = self.open.keys().copied().collect();
        unfinished
            .into_iter()
            .for_each(|number| self.remove(number));
    }

    fn begin(&mut self, order: Order) -> io::Result<Open> {
        let (tokens, snapshots) = (order.ids.len(), order.snapshots.len());
        let header = Header {
            version: VERSION,
            start: order.start,
            checksums: vec![0; Header::sums(tokens, snapshots, &self.layout)],
            snapshots: order.snapshots,
            ids: order.ids,
        };
        let needed = Header::file_len(tokens, snapshots, &self.layout) as u64;
        if needed > self.limit {
            return Err(io::Error::other(format!(
                "{} are more than the archive-limit",
                crate::human::bytes(needed)
            )));
        }
        folder::make_room(&self.root, needed, self.limit);
        let (out, path) = (self.create)(&self.folder)?;
        let file_name = order.file_name;
        Ok(Open {
            out,
            path,
            header,
            file_name,
            layers: 0,
        })
    }

    fn layer(&mut self, number: u64, layer: usize, pages: &[HeadPages]) -> io::Result<()> {
        let Some(open) = self.open.get_mut(&number) else {
            return Ok(());
        };
        let (rows, snapshots) = (open.header.rows(), open.header.snapshots.len());
        let (first, count) = match self.layout.is_state(layer) {
            false => (0, rows),
            true => (rows, snapshots),
        };
        if !self.layout.fits(layer, pages, count) {
            return Err(io::Error::other("pages of another shape"));
        }
        let space = Header::space(open.header.ids.len(), snapshots, &self.layout);
        for row in 0..count {
            self.buffer.clear();
            for head in pages {
                self.buffer.extend_from_slice(head[row].as_slice());
            }
            open.header.checksums[(first + row) * self.layout.layers() + layer] =
                crc32fast::hash(&self.buffer);
            let place = space + self.layout.place(layer, row, rows);
            open.out.seek(SeekFrom::Start(place as u64))?;
            open.out.write_all(&self.buffer)?;
        }
        open.layers += 1;
        Ok(())
    }

    fn commit(&mut self, mut open: Open) -> Result<(), (io::Error, PathBuf)> {
        let path = open.path.clone();
        if open.layers != self.layout.layers() {
            return Err((io::Error::other("a layer is missing"), path));
        }
        let write = || -> io::Result<()> {
            open.out.seek(SeekFrom::Start(0))?;
            open.out.write_all(&open.header.encode(&self.layout))?;
            open.out.flush()?;
            drop(open.out);
            std::fs::rename(&open.path, self.folder.join(&open.file_name))
        };
        write().map_err(|error| (error, path))
    }

    fn give_up(&mut self, number: u64, error: &io::Error) {
        self.remove(number);
        self.complain(error);
    }

    fn complain(&mut self, error: &io::Error) {
        self.state.complain(error.to_string());
    }

    fn remove(&mut self, number: u64) {
        if let Some(open) = self.open.remove(&number) {
            drop(open.out);
            let _ = std::fs::remove_file(open.path);
        }
    }
}

fn bytes_of(pages: &[HeadPages]) -> usize {
    let pages = pages.iter().flatten();
    pages.map(|page| page.as_slice().len()).sum()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
