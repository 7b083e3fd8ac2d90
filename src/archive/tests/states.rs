//! States of layers that keep no entries: kept at some positions, found up to where tokens differ.

use super::*;
use crate::cache::PageBytes;

const STATE: usize = 40;

fn identity() -> Identity {
    let page = Page::<f32>::len(DIM);
    let parts = [Part::Pages(HEADS, page), Part::State(STATE)];
    Identity {
        fingerprint: [9; 32],
        layout: Layout::new(parts),
    }
}

/// A state that tells its position from others.
fn state(at: usize) -> Vec<u8> {
    (0..STATE).map(|i| (at * 7 + i) as u8).collect()
}

fn record(archive: &Archive, ids: &[u32], first: usize, at: &[usize]) {
    let mut recording = archive.record(ids, first, at);
    recording.layer(0, pages(ids, first, 0));
    let own = at.iter().filter(|&&at| at > first);
    let states = own.map(|&at| Arc::new(PageBytes::of(&state(at))));
    recording.layer(1, vec![states.collect()]);
    recording.commit();
}

/// Where a state is found for `ids` at or before `most`; that it is the one that was kept there.
fn found(archive: &Archive, ids: &[u32], most: usize) -> usize {
    let past = archive.find(ids);
    let at = past.snapshot_before(most);
    if at > 0 {
        let pages = past.state(1, at).unwrap();
        assert_eq!(pages[0][0].as_slice()[..STATE], state(at));
    }
    at
}

#[test]
fn a_state_is_found_where_all_before_it_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let on_disk = || Archive::on_disk(folder.path(), identity(), LIMIT).unwrap();
    let memory = Archive::in_memory(identity(), LIMIT);
    let disk = on_disk();
    let talk = tokens(300, 1);
    for archive in [&disk, &memory] {
        assert_eq!(found(archive, &talk, 300), 0);
        record(archive, &talk[..200], 0, &[70, 150, 200]);
        record(archive, &talk, 192, &[180, 250, 300]);
    }
    drop(disk);
    for archive in [&on_disk(), &memory] {
        assert_eq!(found(archive, &talk, 300), 300);
        assert_eq!(found(archive, &talk, 299), 250);
        assert_eq!(found(archive, &talk, 200), 200);
        assert_eq!(found(archive, &talk, 69), 0);
        assert_eq!(found(archive, &talk[..160], 160), 150);
        let mut other = talk.clone();
        other[149] += 1;
        assert_eq!(found(archive, &other, 300), 70);
        other[0] += 1;
        assert_eq!(found(archive, &other, 300), 0);
    }
}

/// One that is not what was written is an error, and is forgotten.
#[test]
fn a_damaged_state_is_never_taken() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Archive::on_disk(folder.path(), identity(), LIMIT).unwrap();
    let talk = tokens(100, 1);
    record(&open(), &talk, 0, &[64, 100]);
    let file = files(folder.path()).pop().unwrap();
    let bytes = std::fs::read(&file).unwrap();
    for at in [bytes.len() - 20, bytes.len() - 60] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        std::fs::write(&file, damaged).unwrap();
        let archive = open();
        let past = archive.find(&talk);
        let states = [64, 100].map(|at| past.state(1, at).is_err());
        assert!(states.contains(&true), "{at}");
        archive.discard(&past);
        assert_eq!(archive.find(&talk).len(), 0);
        std::fs::write(&file, &bytes).unwrap();
    }
    // Positions that it does not have.
    let archive = open();
    let past = archive.find(&talk);
    assert!(past.state(1, 63).is_err() && past.state(1, 100).is_ok());
}
