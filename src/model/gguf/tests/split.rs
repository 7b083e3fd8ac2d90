//! Models in several files.

use std::path::{Path, PathBuf};

use crate::model::gguf::{GgufError, GgufFile, TensorType};
use crate::testing::{TinySpec, write_tiny_parts};

struct Parts {
    folder: tempfile::TempDir,
    paths: Vec<PathBuf>,
}

impl Parts {
    fn new(parts: usize) -> Parts {
        let folder = tempfile::tempdir().unwrap();
        let spec = TinySpec::llama();
        let paths = write_tiny_parts(folder.path(), &spec, TensorType::F16, parts).unwrap();
        Parts { folder, paths }
    }

    /// What is said when any part is opened, once `damage` was done to a copy's bytes.
    fn error(&self, part: usize, damage: impl Fn(Vec<u8>) -> Vec<u8>) -> String {
        let path = &self.paths[part];
        let whole = std::fs::read(path).unwrap();
        std::fs::write(path, damage(whole.clone())).unwrap();
        let errors: Vec<String> = self.paths.iter().map(|path| error(path)).collect();
        std::fs::write(path, whole).unwrap();
        let named = path.file_name().unwrap().to_str().unwrap();
        for error in &errors {
            let given = part == 0 || self.paths.len() == 1;
            assert!(error.contains(named) || given, "{named}: {error}");
        }
        errors[0].clone()
    }
}

fn error(path: &Path) -> String {
    let error = GgufFile::open(path).unwrap_err();
    error.in_file(path).to_string()
}

fn replaced(bytes: &[u8], key: &str, value: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = bytes.windows(key.len()).position(|w| w == key.as_bytes());
    bytes[at.unwrap() + key.len() + 4] = value;
    bytes
}

#[test]
fn any_part_opens_all() {
    let one = Parts::new(1);
    let whole = GgufFile::open(&one.paths[0]).unwrap();
    let three = Parts::new(3);
    assert_eq!(three.paths.len(), 3);
    for path in &three.paths {
        let file = GgufFile::open(path).unwrap();
        assert_eq!((file.parts(), file.path()), (3, &*three.paths[0]));
        assert_eq!(file.tensor_bytes(), whole.tensor_bytes());
        assert_eq!(file.architecture().unwrap(), "llama");
        for name in whole.tensor_names() {
            assert_eq!(
                file.tensor_data(name).unwrap(),
                whole.tensor_data(name).unwrap()
            );
        }
    }
    let file = GgufFile::open(&three.paths[0]).unwrap();
    assert_ne!(file.fingerprint(), whole.fingerprint());
    // One of the parts is written to.
    let name = whole
        .tensor_names()
        .find(|name| name.contains("output_norm"))
        .unwrap();
    let out = std::fs::File::options()
        .write(true)
        .open(&three.paths[2])
        .unwrap();
    out.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let changed = file.tensor_data(name).unwrap_err().to_string();
    assert!(
        changed.contains("-00003-of-00003") && changed.contains("was changed"),
        "{changed}"
    );
    assert!(file.check_unchanged().is_err());
}

#[test]
fn a_damaged_part_is_named() {
    let parts = Parts::new(3);
    let cut = parts.error(1, |bytes| bytes[..bytes.len() - 100].to_vec());
    assert!(
        cut.contains("truncated") && cut.contains("download it again"),
        "{cut}"
    );
    let other = parts.error(2, |_| b"<html>not found</html>".to_vec());
    assert!(other.contains("not a GGUF file"), "{other}");
    let empty = parts.error(1, |_| Vec::new());
    assert!(empty.contains("is empty"), "{empty}");
    let no = parts.error(1, |bytes| replaced(&bytes, "split.no", 2));
    assert!(no.contains("is called part 2 and is part 3"), "{no}");
    let count = parts.error(1, |bytes| replaced(&bytes, "split.count", 2));
    assert!(count.contains("2") && count.contains("download"), "{count}");
    let all = parts.error(0, |bytes| replaced(&bytes, "split.tensors.count", 77));
    assert!(all.contains("77 tensors, and there are"), "{all}");
}

#[test]
fn missing_and_superfluous_parts_are_named() {
    let parts = Parts::new(3);
    std::fs::remove_file(&parts.paths[1]).unwrap();
    let gone = GgufFile::open(&parts.paths[2]).unwrap_err();
    assert!(matches!(
        gone,
        GgufError::NoPart {
            no: 2,
            count: 3,
            ..
        }
    ));
    let gone = gone.to_string();
    assert!(
        gone.contains("part 2 is missing") && gone.contains("-00002-of-00003"),
        "{gone}"
    );
    // A part in another's place.
    std::fs::copy(&parts.paths[2], &parts.paths[1]).unwrap();
    assert!(error(&parts.paths[0]).contains("is called part 2 and is part 3"));
    // Names that say otherwise than the files.
    let at = |name: &str| parts.folder.path().join(name);
    std::fs::copy(&parts.paths[0], at("a-00001-of-00002.gguf")).unwrap();
    let two = error(&at("a-00001-of-00002.gguf"));
    assert!(
        two.contains("its name says that the model is in 2 parts"),
        "{two}"
    );
    std::fs::copy(&parts.paths[0], at("plain.gguf")).unwrap();
    let plain = error(&at("plain.gguf"));
    assert!(
        plain.contains("part 1 of 3") && plain.contains("name the parts"),
        "{plain}"
    );
    let one = Parts::new(1);
    std::fs::copy(&one.paths[0], at("b-00001-of-00002.gguf")).unwrap();
    assert!(error(&at("b-00001-of-00002.gguf")).contains("and the file that it is in 1"));
}

#[test]
fn the_same_tensors_twice_are_refused() {
    let parts = Parts::new(2);
    let twice = parts.error(1, |_| {
        let first = std::fs::read(&parts.paths[0]).unwrap();
        replaced(&first, "split.no", 1)
    });
    assert!(twice.contains("is in another part too"), "{twice}");
}

#[test]
fn experts_are_slices_of_one_tensor() {
    let file = GgufFile::open(&Parts::new(1).paths[0]).unwrap();
    let name = "blk.0.ffn_gate.weight";
    let (dtype, dims, bytes) = file.tensor_data(name).unwrap();
    let (of, slice, part) = file.tensor_slice(name, 3).unwrap();
    assert_eq!((of, &slice[..]), (dtype, &dims[1..]));
    assert_eq!(part, &bytes[3 * dims[1] * 2..][..dims[1] * 2]);
    assert!(file.tensor_slice(name, dims[0]).is_err());
    assert!(file.tensor_slice("output_norm.weight", 0).is_err());
}
