//! The archive by itself: what is found, what damage does, what a disk may do.

mod opening;
mod orders;
mod room;
mod short;
mod states;

use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::*;
use crate::cache::{HeadPages, PAGE, Page};
use crate::testing::random::Random;

const DIM: usize = 4;
const LAYERS: usize = 3;
const HEADS: usize = 2;
const LIMIT: u64 = 1 << 30;

fn identity(print: u8) -> Identity {
    let page = Page::<f32>::len(DIM);
    Identity {
        fingerprint: [print; 32],
        layout: Layout::new([Part::Pages(HEADS, page); LAYERS]),
    }
}

/// Numbers that tell an entry from every other.
fn number(layer: usize, head: usize, position: usize, id: u32) -> f32 {
    (id as f32) + (position * 100 + layer * 10 + head) as f32 / 1e4
}

/// `[head][page]` of the positions from `first` on.
fn pages(ids: &[u32], first: usize, layer: usize) -> Vec<HeadPages> {
    let of_head = |head| {
        let chunks = ids[first..].chunks(PAGE).enumerate();
        let page = |(row, ids): (usize, &[u32])| {
            let mut page = Page::<f32>::new(DIM);
            for (slot, &id) in ids.iter().enumerate() {
                let x = number(layer, head, first + row * PAGE + slot, id);
                page.write(slot, &[x; DIM], &[-x; DIM]);
            }
            page.bytes().clone()
        };
        chunks.map(page).collect()
    };
    (0..HEADS).map(of_head).collect()
}

fn record(archive: &Archive, ids: &[u32], first: usize) {
    let mut recording = archive.record(ids, first, &[]);
    (0..LAYERS).for_each(|layer| recording.layer(layer, pages(ids, first, layer)));
    recording.commit();
}

/// How much of `ids` is there, and that it is what was written.
fn found(archive: &Archive, ids: &[u32]) -> usize {
    let past = archive.find(ids);
    for layer in 0..LAYERS {
        let heads = past.pages(layer).unwrap();
        for (head, pages) in heads.iter().enumerate() {
            for position in 0..past.len() {
                let page = Page::<f32>::of(pages[position / PAGE].clone());
                let slot = position % PAGE;
                let x = number(layer, head, position, ids[position]);
                assert_eq!(page.keys()[2 * PAGE + slot], x, "key at {position}");
                assert_eq!(page.values()[slot * DIM + 1], -x, "value at {position}");
            }
        }
        past.give_back(layer);
    }
    past.len()
}

fn tokens(n: usize, seed: u32) -> Vec<u32> {
    (0..n as u32)
        .map(|i| i.wrapping_mul(7919).wrapping_add(seed) % 997)
        .collect()
}

fn both(check: impl Fn(&Archive)) {
    let folder = tempfile::tempdir().unwrap();
    check(&Archive::on_disk(folder.path(), identity(1), LIMIT).unwrap());
    check(&Archive::in_memory(identity(1), LIMIT));
}

#[test]
fn what_was_said_is_found_up_to_where_it_differs() {
    both(|archive| {
        let talk = tokens(300, 1);
        assert_eq!(found(archive, &talk), 0);
        record(archive, &talk[..200], 0);
        record(archive, &talk, 192);
        assert_eq!(found(archive, &talk), 300);
        assert_eq!(found(archive, &talk[..250]), 250, "a part of what follows");
        assert_eq!(found(archive, &talk[..130]), 130, "a part of a page");
        let mut other = talk.clone();
        other[140] += 1;
        assert_eq!(found(archive, &other), 140, "to the token that differs");
        // A branch: what is shared stands once, and both are whole.
        record(archive, &other, 128);
        assert_eq!(found(archive, &other), 300);
        assert_eq!(found(archive, &talk), 300);
        other[0] += 1;
        assert_eq!(found(archive, &other), 0, "what stands before decides");
    });
}

#[test]
fn a_recording_that_is_dropped_was_never_there() {
    both(|archive| {
        let talk = tokens(100, 1);
        let mut recording = archive.record(&talk, 0, &[]);
        recording.layer(0, pages(&talk, 0, 0));
        drop(recording);
        // Nor one that lacks a layer.
        let mut recording = archive.record(&talk, 0, &[]);
        recording.layer(0, pages(&talk, 0, 0));
        recording.commit();
        assert_eq!(found(archive, &talk), 0);
        record(archive, &talk, 0);
        assert_eq!(found(archive, &talk), 100);
    });
}

#[test]
fn it_is_there_tomorrow_for_the_same_model_and_for_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let open = |print| Archive::on_disk(folder.path(), identity(print), LIMIT).unwrap();
    let talk = tokens(150, 1);
    record(&open(1), &talk, 0);
    assert_eq!(found(&open(2), &talk), 0);
    assert_eq!(found(&open(1), &talk), 150);
    #[cfg(unix)]
    for file in files(folder.path()) {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(file.parent().unwrap()), 0o700);
    }
}

/// The files of all segments, in the order of their sizes.
fn files(root: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(root).into_iter().flatten().flatten();
    let inside = folders.flat_map(|f| std::fs::read_dir(f.path()).into_iter().flatten().flatten());
    let mut files: Vec<_> = inside.map(|entry| entry.path()).collect();
    files.sort_by_key(|path| std::fs::metadata(path).map_or(0, |m| m.len()));
    files
}

/// Whatever is done to a file: what is found of it is what was written, or it is not found.
#[test]
fn damage_is_found_and_never_read() {
    let talk = tokens(200, 1);
    let mut random = Random::new(7);
    for round in 0..300 {
        let folder = tempfile::tempdir().unwrap();
        let open = || Archive::on_disk(folder.path(), identity(1), LIMIT).unwrap();
        record(&open(), &talk, 0);
        let file = files(folder.path()).pop().unwrap();
        let mut bytes = std::fs::read(&file).unwrap();
        let mut pick = |n: usize| (random.next_u64() % n.max(1) as u64) as usize;
        match round % 4 {
            0 => bytes.truncate(pick(bytes.len())),
            1 => {
                let at = pick(bytes.len());
                bytes[at] ^= 1 << pick(8);
            }
            2 => {
                let (at, len) = (pick(bytes.len()), pick(5000));
                let end = (at + len).min(bytes.len());
                bytes[at..end].fill(pick(256) as u8);
            }
            _ => bytes.extend(vec![0; 1 + pick(9000)]),
        }
        std::fs::write(&file, &bytes).unwrap();
        let archive = open();
        let past = archive.find(&talk);
        let damaged = (0..LAYERS).any(|layer| past.pages(layer).is_err());
        if damaged {
            archive.discard(&past);
        }
        let rest = found(&archive, &talk);
        assert!(!damaged || rest < 200, "it is forgotten");
        // And can be written again.
        record(&archive, &talk, 0);
        assert_eq!(found(&archive, &talk), 200);
    }
}

/// A file that loses its bytes while they are mapped is no signal that ends the program.
#[cfg(unix)]
#[test]
fn a_file_cut_or_replaced_while_it_is_read_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::on_disk(folder.path(), identity(1), LIMIT).unwrap();
    let talk = tokens(64 * 40, 1);
    record(&archive, &talk, 0);
    let past = archive.find(&talk);
    let first = past.pages(0).unwrap();
    past.give_back(0);
    assert!(past.is_whole());
    let file = files(folder.path()).pop().unwrap();
    std::fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_len(4096)
        .unwrap();
    // Read after it was checked: zeros in place of a signal, and a word on it.
    let sum: u64 = first
        .iter()
        .flatten()
        .map(|page| u64::from(page.as_slice()[5]))
        .sum();
    assert_eq!(sum, 0);
    assert!(!past.is_whole());
    assert!(past.pages(1).is_err());
    archive.discard(&past);
    assert_eq!(found(&archive, &talk), 0);
    record(&archive, &talk, 0);
    assert_eq!(found(&archive, &talk), talk.len());
    // Deleted while it is mapped: still there for who has it.
    let past = archive.find(&talk);
    std::fs::remove_file(files(folder.path()).pop().unwrap()).unwrap();
    assert!((0..LAYERS).all(|layer| past.pages(layer).is_ok()));
    assert!(past.is_whole());
}

#[test]
fn links_and_what_does_not_end_are_not_opened() {
    #[cfg(unix)]
    {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::on_disk(folder.path(), identity(1), LIMIT).unwrap();
        let talk = tokens(100, 1);
        record(&archive, &talk, 0);
        assert_eq!(archive.find(&talk).len(), 100);
        let file = files(folder.path()).pop().unwrap();
        let elsewhere = folder.path().join("elsewhere");
        std::fs::rename(&file, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
        let again = Archive::on_disk(folder.path(), identity(1), LIMIT).unwrap();
        assert_eq!(again.find(&talk).len(), 0);
        assert!(elsewhere.exists());
    }
}

/// A file of gigabytes, of which nothing is on the disk, is not read through for a checksum.
#[cfg(target_os = "linux")]
#[test]
fn a_header_that_claims_gigabytes_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Archive::on_disk(folder.path(), identity(1), LIMIT).unwrap();
    let talk = tokens(100, 1);
    record(&open(), &talk, 0);
    let file = files(folder.path()).pop().unwrap();
    std::fs::write(&file, b"cachatKV\xff\xff\xff\xff\x00\x00\x00\x00").unwrap();
    let hole = std::fs::File::options().write(true).open(&file).unwrap();
    hole.set_len(5 << 30).unwrap();
    let work = crate::testing::Work::begin();
    assert_eq!(found(&open(), &talk), 0);
    assert!(work.done() < Duration::from_secs(1));
    assert!(!file.exists());
}

#[test]
fn the_bound_holds_and_what_was_not_used_for_longest_goes() {
    let one = header::Header::file_len(128, 0, &identity(1).layout) as u64;
    let folder = tempfile::tempdir().unwrap();
    let limit = 3 * one + one / 2;
    let open = |print| Archive::on_disk(folder.path(), identity(print), limit).unwrap();
    let talks: Vec<_> = (0..6).map(|seed| tokens(128, seed)).collect();
    let archive = open(1);
    for talk in &talks[..3] {
        record(&archive, talk, 0);
        assert_eq!(archive.find(talk).len(), 128);
        std::thread::sleep(std::time::Duration::from_millis(15));
    }
    // The first is used again; another model's counts as well.
    assert_eq!(archive.find(&talks[0]).len(), 128);
    archive.settle(Duration::from_secs(60));
    let other = open(2);
    record(&other, &talks[3], 0);
    assert_eq!(other.find(&talks[3]).len(), 128);
    assert!(bytes(folder.path()) <= limit);
    assert_eq!(open(1).find(&talks[1]).len(), 0, "the oldest is gone");
    assert_eq!(open(1).find(&talks[0]).len(), 128);
    // What is larger than all is not begun, and said once.
    let long = tokens(64 * 12, 9);
    record(&archive, &long, 0);
    assert_eq!(archive.find(&long).len(), 0);
    let trouble = archive.trouble().unwrap();
    assert!(trouble.contains("archive-limit"), "{trouble}");
    assert!(archive.trouble().is_none());
    assert!(free(folder.path()) > 0);
    assert_eq!(bytes(folder.path()), 0);
}

/// Takes so many bytes, then fails.
struct Full {
    file: crate::disk::Out,
    left: Arc<AtomicUsize>,
    kind: io::ErrorKind,
    interrupted: bool,
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if std::mem::replace(&mut self.interrupted, true) {
            self.interrupted = false;
            return Err(io::ErrorKind::Interrupted.into());
        }
        let left = self.left.load(SeqCst);
        if left == 0 {
            return Err(self.kind.into());
        }
        // Short writes too.
        let taken = self.file.write(&bytes[..bytes.len().min(left).min(1000)])?;
        self.left.fetch_sub(taken, SeqCst);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Full {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// A disk that is full at any byte, breaks or refuses files: what was archived before stays, nothing
/// half is found, no file is left, and it goes on when there is room again.
#[test]
fn a_disk_that_fails_loses_nothing_of_before() {
    let talk = tokens(160, 1);
    let size = header::Header::file_len(160, 0, &identity(1).layout);
    let mut random = Random::new(3);
    for round in 0..60 {
        let folder = tempfile::tempdir().unwrap();
        let left = Arc::new(AtomicUsize::new(usize::MAX));
        let kind = match round % 3 {
            0 => io::ErrorKind::StorageFull,
            1 => io::ErrorKind::Other,
            _ => io::ErrorKind::PermissionDenied,
        };
        let of_files = left.clone();
        let create: Box<Create> = Box::new(move |folder: &Path| {
            if kind == io::ErrorKind::PermissionDenied && of_files.load(SeqCst) < usize::MAX / 2 {
                return Err(kind.into());
            }
            let (file, path) = folder::create(folder)?;
            let left = of_files.clone();
            let out: Box<dyn Out> = Box::new(Full {
                file,
                left,
                kind,
                interrupted: false,
            });
            Ok((out, path))
        });
        let archive = Archive::written_by(folder.path(), identity(1), LIMIT, create).unwrap();
        record(&archive, &talk[..128], 0);
        assert_eq!(found(&archive, &talk), 128, "{:?}", archive.trouble());
        let room = (random.next_u64() % size as u64) as usize;
        left.store(room, SeqCst);
        record(&archive, &talk, 0);
        assert_eq!(found(&archive, &talk), 128, "full after {room} bytes");
        assert!(archive.trouble().is_some());
        assert_eq!(files(folder.path()).len(), 1, "no part is left behind");
        left.store(usize::MAX, SeqCst);
        record(&archive, &talk, 128);
        assert_eq!(found(&archive, &talk), 160);
    }
}
