//! A segment's file in the archive, as something other than the archive left it.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use cachat::archive::{Archive, Identity, Layout, Part, Past};
use cachat::cache::{HeadPages, PAGE, Page, PageBytes};

/// Bits of an input's first byte: the header's checksum is right, as somebody would make it who knows
/// the format; the file is a segment behind another one; only the header is given, and the file is as
/// long as that says.
pub const MENDED: u8 = 1;
pub const SECOND: u8 = 2;
pub const MADE: u8 = 4;

const HEADS: usize = 2;
const DIM: usize = 1;
/// Bytes of a layer's state, in the file a multiple of 16.
const STATE: usize = 40;
const LIMIT: u64 = 1 << 20;
/// Magic, length and checksum of the header.
const PREFIX: usize = 16;
/// Tokens of the first segment, and where the second begins.
const FIRST: usize = 100;
const NEXT: usize = PAGE;

fn identity() -> Identity {
    let page = Page::<f32>::len(DIM);
    Identity {
        fingerprint: [7; 32],
        layout: Layout::new([Part::Pages(HEADS, page), Part::State(STATE)]),
    }
}

fn talk() -> Vec<u32> {
    (0..150).map(|i: u32| i.wrapping_mul(7919) % 997).collect()
}

fn record(archive: &Archive, ids: &[u32], first: usize, at: &[usize]) {
    let rows = (ids.len() - first).div_ceil(PAGE);
    let of_head = |head: usize| -> HeadPages {
        let page = |row: usize| {
            let mut page = Page::<f32>::new(DIM);
            page.write(row, &[head as f32], &[first as f32]);
            page.bytes().clone()
        };
        (0..rows).map(page).collect()
    };
    let states = at
        .iter()
        .map(|&at| Arc::new(PageBytes::of(&[at as u8; STATE])));
    let mut recording = archive.record(ids, first, at);
    recording.layer(0, (0..HEADS).map(of_head).collect());
    recording.layer(1, vec![states.collect()]);
    recording.commit();
}

fn record_all(archive: &Archive, ids: &[u32]) {
    record(archive, &ids[..FIRST], 0, &[NEXT, FIRST]);
    record(archive, ids, NEXT, &[130, ids.len()]);
}

/// The archive of the talk: its folder's name, and its files' names and bytes, in their order.
struct Written {
    folder: String,
    files: Vec<(String, Vec<u8>)>,
}

fn written() -> &'static Written {
    static WRITTEN: OnceLock<Written> = OnceLock::new();
    WRITTEN.get_or_init(|| {
        let root = tempfile::tempdir().unwrap();
        let archive = Archive::on_disk(root.path(), identity(), LIMIT).unwrap();
        record_all(&archive, &talk());
        archive.settle(std::time::Duration::from_secs(60));
        let folder = archive.path().unwrap();
        let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap());
        let mut files: Vec<(String, Vec<u8>)> = entries
            .map(|e| {
                let name = e.file_name().into_string().unwrap();
                (name, std::fs::read(e.path()).unwrap())
            })
            .collect();
        // The first has more tokens.
        files.sort_by_key(|(_, bytes)| std::cmp::Reverse(ids(bytes)));
        let name = folder.file_name().unwrap().to_str().unwrap();
        Written {
            folder: name.to_owned(),
            files,
        }
    })
}

/// What a file's header says, if anything.
fn header(file: &[u8]) -> serde_json::Value {
    let len = file.get(8..12).and_then(|len| len.try_into().ok());
    let len = len.map_or(0, u32::from_le_bytes) as usize;
    let text = file.get(PREFIX..PREFIX.saturating_add(len));
    text.and_then(|text| serde_json::from_slice(text).ok())
        .unwrap_or_default()
}

fn count(header: &serde_json::Value, name: &str) -> usize {
    header[name].as_array().map_or(0, Vec::len)
}

fn ids(file: &[u8]) -> usize {
    count(&header(file), "ids")
}

/// The checksums that a file's header names.
fn sums(file: &[u8]) -> Vec<u64> {
    let header = header(file);
    let sums = header["checksums"].as_array().into_iter().flatten();
    sums.filter_map(serde_json::Value::as_u64).collect()
}

/// The text of the first segment's header.
fn text() -> &'static [u8] {
    let bytes = &written().files[0].1;
    let len = u32::from_le_bytes(bytes[8..12].try_into().unwrap());
    &bytes[PREFIX..PREFIX + len as usize]
}

/// A file with this header, as long as the header wants it to be.
fn made(text: &[u8]) -> Vec<u8> {
    let header: serde_json::Value = serde_json::from_slice(text).unwrap_or_default();
    let (ids, snapshots) = (count(&header, "ids"), count(&header, "snapshots"));
    let rows = ids.div_ceil(PAGE);
    let sums = (rows + snapshots) * 2;
    let space = (PREFIX + 256 + 11 * (ids + sums + snapshots)).next_multiple_of(4096);
    let rest = rows * HEADS * Page::<f32>::len(DIM) + snapshots * STATE.next_multiple_of(16);
    let mut file = b"cachatKV".to_vec();
    file.extend((text.len() as u32).to_le_bytes());
    file.extend([0; 4]);
    file.extend(text);
    file.resize(space + rest, 0);
    file
}

/// Makes the header's checksum right.
fn mend(file: &mut [u8]) {
    let Some(len) = file.get(8..12).and_then(|len| len.try_into().ok()) else {
        return;
    };
    let end = PREFIX.saturating_add(u32::from_le_bytes(len) as usize);
    if let Some(sum) = file.get(PREFIX..end).map(crc32fast::hash) {
        file[12..PREFIX].copy_from_slice(&sum.to_le_bytes());
    }
}

/// Reads everything of `past`. What is read has its length and its checksum; false where something is
/// not what was written.
fn is_right(past: &Past, sums: &[u64]) -> bool {
    let named = |pages: &[&[u8]]| {
        let sum = crc32fast::hash(&pages.concat());
        assert!(sums.contains(&u64::from(sum)), "a wrong checksum");
    };
    past.expect();
    let mut right = true;
    match past.pages(0) {
        Ok(heads) => {
            let rows = past.len().div_ceil(PAGE);
            assert_eq!(heads.len(), if rows > 0 { HEADS } else { 0 });
            assert!(heads.iter().all(|pages| pages.len() == rows));
            for row in 0..rows {
                let pages: Vec<&[u8]> = heads.iter().map(|head| head[row].as_slice()).collect();
                let len = Page::<f32>::len(DIM);
                assert!(pages.iter().all(|page| page.len() == len));
                named(&pages);
            }
        }
        Err(_) => right = false,
    }
    for most in 0..=past.len() + 1 {
        let at = past.snapshot_before(most);
        assert!(at <= most && at <= past.len());
        // The last is that of its own position: each is looked at once.
        if at == 0 || at != most {
            continue;
        }
        match past.state(1, at) {
            Ok(pages) => {
                let state = pages[0][0].as_slice();
                assert_eq!(state.len(), STATE.next_multiple_of(16));
                named(&[state]);
            }
            Err(_) => right = false,
        }
    }
    past.give_back(0);
    right
}

fn open(root: &Path) -> Archive {
    Archive::on_disk(root, identity(), LIMIT).unwrap()
}

/// These bytes lie where a segment was. See [`MENDED`].
#[allow(dead_code)]
pub fn archive(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    let mut bytes = match kind & MADE {
        0 => bytes.to_vec(),
        _ => made(bytes),
    };
    if kind & MENDED != 0 {
        mend(&mut bytes);
    }
    let (written, talk) = (written(), talk());
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join(&written.folder);
    std::fs::create_dir(&folder).unwrap();
    let mut named = sums(&bytes);
    let second = kind & SECOND != 0;
    let ours = usize::from(second);
    std::fs::write(folder.join(&written.files[ours].0), &bytes).unwrap();
    if second {
        let (name, whole) = &written.files[0];
        std::fs::write(folder.join(name), whole).unwrap();
        named.extend(sums(whole));
    }
    let archive = open(root.path());
    let past = archive.find(&talk);
    assert!(past.len() <= talk.len());
    assert!(!second || past.len() >= FIRST, "the other one is whole");
    if !is_right(&past, &named) {
        archive.discard(&past);
        let past = archive.find(&talk);
        assert!(is_right(&past, &named), "it is forgotten");
        assert!(!second || past.len() >= FIRST, "the other one is whole");
    }
    // And can be written again.
    record_all(&archive, &talk);
    drop(archive);
    let past = open(root.path()).find(&talk);
    let all: Vec<u64> = written.files.iter().flat_map(|f| sums(&f.1)).collect();
    assert!(past.len() == talk.len() && is_right(&past, &all));
}

/// Both files, the first with its header's checksum mended, and only its header.
#[allow(dead_code)]
pub fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let files = &written().files;
    let seed = |name, kind: u8, bytes: &[u8]| ("archive", name, [&[kind], bytes].concat());
    vec![
        seed("first", 0, &files[0].1),
        seed("mended", MENDED, &files[0].1),
        seed("second", SECOND | MENDED, &files[1].1),
        seed("header", MADE | MENDED, text()),
    ]
}
