//! What there is no room for, on its way to the disk or in memory.

use super::*;
use crate::cache::PageBytes;

/// More of it than may wait beside others is one layer of a long text.
#[test]
fn a_layer_waits_by_itself_however_large_it_is() {
    const BYTES: usize = 1 << 20;
    const ROWS: usize = 300;
    let large = Identity {
        fingerprint: [3; 32],
        layout: Layout::new([Part::Pages(1, BYTES)]),
    };
    let nowhere: Box<Create> = Box::new(|folder: &Path| {
        let out: Box<dyn Out> = Box::new(io::empty());
        Ok((out, folder.join("none")))
    });
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::written_by(folder.path(), large, LIMIT, nowhere).unwrap();
    let ids = tokens(ROWS * PAGE, 1);
    let mut recording = archive.record(&ids, 0, &[]);
    // The same page again and again.
    let page = Arc::new(PageBytes::of(&vec![0; BYTES]));
    recording.layer(0, vec![vec![page; ROWS]]);
    archive.settle(Duration::from_secs(60));
    assert_eq!(archive.trouble(), None);
    assert!(archive.most_waiting() >= ROWS * BYTES);
}

#[test]
fn what_is_larger_than_the_memory_for_it_is_said() {
    let archive = Archive::in_memory(identity(1), 10_000);
    let talk = tokens(64 * 12, 9);
    record(&archive, &talk, 0);
    assert_eq!(archive.find(&talk).len(), 0);
    let trouble = archive.trouble().unwrap();
    assert!(trouble.contains("archive-limit"), "{trouble}");
    assert_eq!(archive.trouble(), None);
}
