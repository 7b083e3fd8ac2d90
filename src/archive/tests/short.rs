//! Segments shorter than a page, of which there may be many behind the same tokens.

use super::*;

const MANY: u32 = 40;

/// A page, and 40 tokens behind it that no other has.
fn ending(which: u32) -> Vec<u32> {
    let own = (0..40).map(|i| 1000 + 40 * which + i);
    tokens(PAGE, 1).into_iter().chain(own).collect()
}

#[test]
fn however_many_there_are_each_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::on_disk(folder.path(), identity(1), LIMIT).unwrap();
    record(&archive, &tokens(PAGE, 1), 0);
    for which in 0..MANY {
        let talk = ending(which);
        record(&archive, &talk, PAGE);
        assert_eq!(found(&archive, &talk), talk.len(), "{which}");
    }
    for which in 0..MANY {
        assert_eq!(found(&archive, &ending(which)), PAGE + 40, "{which}");
    }
    // Of what only begins alike, that which was used last.
    archive.settle(Duration::from_secs(60));
    let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    for file in files(folder.path()) {
        let file = std::fs::File::options().append(true).open(file).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    let last = ending(MANY);
    record(&archive, &last, PAGE);
    let longer = [&last[..], &tokens(60, 5)[..]].concat();
    assert_eq!(found(&archive, &longer), last.len());
}
