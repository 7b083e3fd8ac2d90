//! Files that are opened: for how long they are held, and which of them are deleted.

use super::*;

/// A file that was removed to make room gives its bytes back as soon as somebody looks.
#[cfg(target_os = "linux")]
#[test]
fn what_is_gone_is_mapped_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let root = std::fs::canonicalize(folder.path()).unwrap();
    let archive = Archive::on_disk(&root, identity(1), LIMIT).unwrap();
    let talk = tokens(100, 1);
    record(&archive, &talk, 0);
    assert_eq!(found(&archive, &talk), 100);
    let file = files(&root).pop().unwrap();
    let mapped = || {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.contains(file.to_str().unwrap())
    };
    assert!(mapped());
    std::fs::remove_file(&file).unwrap();
    assert_eq!(archive.find(&talk).len(), 0);
    assert!(!mapped());
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_opened_now_is_kept() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let open = || Archive::on_disk(folder.path(), identity(1), LIMIT).unwrap();
    let talk = tokens(100, 1);
    record(&open(), &talk, 0);
    let file = files(folder.path()).pop().unwrap();
    let allow = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&file, mode).unwrap();
    };
    allow(0);
    // Nothing is closed to root.
    if std::fs::File::open(&file).is_err() {
        let archive = open();
        assert_eq!(archive.find(&talk).len(), 0);
        assert!(!archive.was_damaged());
    }
    allow(0o600);
    assert_eq!(found(&open(), &talk), 100);
}

#[test]
fn what_the_system_says_is_no_verdict_on_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let layout = &identity(1).layout;
    let opened = |path: &Path| segment::Segment::open(path, layout, "");
    assert!(opened(&file).is_err());
    for content in ["", "no segment"] {
        std::fs::write(&file, content).unwrap();
        assert!(opened(&file).is_ok_and(|segment| segment.is_none()));
    }
    assert!(opened(&file.join("below")).is_err());
    assert!(opened(folder.path()).is_ok_and(|segment| segment.is_none()));
}
