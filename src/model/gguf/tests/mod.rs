mod ollama;
mod split;

use super::*;
use crate::testing::random::Random;
use crate::testing::{TinySpec, write_tiny_gguf};
use candle_core::{Device, quantized::GgmlDType};
use std::path::PathBuf;

fn tiny(dir: &tempfile::TempDir, spec: &TinySpec) -> PathBuf {
    let path = dir.path().join("tiny.gguf");
    write_tiny_gguf(&path, spec).unwrap();
    path
}

/// Opens `bytes` as a file and uses everything in it, as a decoder would.
fn read_all(dir: &tempfile::TempDir, bytes: &[u8]) -> Result<()> {
    let path = dir.path().join("broken.gguf");
    std::fs::write(&path, bytes).unwrap();
    read_again(&path)
}

fn read_again(path: &Path) -> Result<()> {
    let file = GgufFile::open(path)?;
    file.architecture()?;
    file.strs("tokenizer.ggml.tokens")?;
    file.get_i64s("tokenizer.ggml.token_type")?;
    for name in file.tensor_names() {
        file.qtensor(name, &Device::Cpu)?;
        file.dequantized(name)?;
    }
    Ok(())
}

fn error_of(path: &Path) -> String {
    GgufFile::open(path).unwrap_err().to_string()
}

#[test]
fn a_written_model_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let spec = TinySpec {
        head_dim: 80,
        vocab: 301,
        quant: GgmlDType::Q8_0,
        ..TinySpec::qwen2()
    };
    let file = GgufFile::open(tiny(&dir, &spec)).unwrap();
    assert_eq!(file.architecture().unwrap(), "qwen2");
    assert_eq!(file.u32("qwen2.block_count").unwrap(), 2);
    assert_eq!(file.f32("qwen2.rope.freq_base").unwrap(), 1_000_000.0);
    let (dtype, dims, bytes) = file.tensor_data("token_embd.weight").unwrap();
    assert_eq!((dtype, dims), (TensorType::Q8_0, vec![301, 64]));
    assert_eq!(bytes.len(), 301 * 64 / 32 * 34);
    assert!(file.tensor_bytes() < file.file_len());
    let (_, dims, _) = file.tensor_data("blk.1.attn_q.weight").unwrap();
    assert_eq!(dims, vec![4 * 80, 64]);
    let output = file.qtensor("output.weight", &Device::Cpu).unwrap();
    assert_eq!(output.shape().dims(), [301, 64]);
}

#[test]
fn messages_name_what_is_missing_or_of_the_wrong_type() {
    let dir = tempfile::tempdir().unwrap();
    let file = GgufFile::open(tiny(&dir, &TinySpec::llama())).unwrap();
    assert!(
        file.tensor_data("output.weight")
            .unwrap_err()
            .to_string()
            .contains("output.weight")
    );
    assert!(
        file.u32("llama.nope")
            .unwrap_err()
            .to_string()
            .contains("llama.nope")
    );
    let error = file.u32("general.name").unwrap_err().to_string();
    assert!(
        error.contains("general.name") && error.contains("Tiny"),
        "{error}"
    );
}

#[test]
fn what_is_no_model_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    assert!(error_of(&at("missing.gguf")).contains("no such model file"));
    assert!(error_of(dir.path()).contains("not a regular file"));
    std::fs::write(at("empty"), b"").unwrap();
    assert!(error_of(&at("empty")).contains("is empty"));
    std::fs::write(at("notes.txt"), b"Dear \x1b[2Jdiary").unwrap();
    let error = error_of(&at("notes.txt"));
    assert!(
        error.contains("not a GGUF file: it begins with \"Dear "),
        "{error}"
    );
    assert!(!error.contains('\x1b'));
}

#[test]
fn a_file_cut_anywhere_is_refused_with_the_missing_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let spec = TinySpec {
        layers: 1,
        hidden: 32,
        head_dim: 8,
        ffn: 32,
        ..TinySpec::llama()
    };
    let whole = std::fs::read(tiny(&dir, &spec)).unwrap();
    read_all(&dir, &whole).unwrap();
    let data = GgufFile::open(dir.path().join("tiny.gguf")).unwrap().parts[0].data();
    // Every byte of the header, then in steps; the padding after the last tensor may be missing.
    let cuts = (0..data as usize).chain((data as usize..whole.len() - 32).step_by(97));
    let path = dir.path().join("tiny.gguf");
    for cut in cuts.rev() {
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_len(cut as u64).unwrap();
        let error = read_again(&path).unwrap_err();
        if cut > 8 {
            assert!(
                matches!(error, GgufError::Truncated { .. }),
                "cut at {cut}: {error}"
            );
        }
    }
    let error = read_all(&dir, &whole[..data as usize + 100])
        .unwrap_err()
        .to_string();
    let len = data + 100;
    assert!(
        error.contains("token_embd.weight") || error.contains("tensor"),
        "{error}"
    );
    assert!(error.contains(&format!("the file has {len}")), "{error}");
}

#[test]
fn a_damaged_file_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    let spec = TinySpec {
        layers: 1,
        hidden: 32,
        head_dim: 8,
        ffn: 32,
        ..TinySpec::llama()
    };
    let whole = std::fs::read(tiny(&dir, &spec)).unwrap();
    let data = GgufFile::open(dir.path().join("tiny.gguf")).unwrap().parts[0].data();
    let mut random = Random::new(7);
    for _ in 0..1000 {
        let mut bytes = whole.clone();
        for _ in 0..1 + random.below(4) {
            let at = random.below(data as usize);
            // Often the extremes, which make counts and lengths absurd.
            bytes[at] = [0, 1, 0x7f, 0xff, random.below(256) as u8][random.below(5)];
        }
        let _ = read_all(&dir, &bytes);
    }
}

/// A header of `tensors` and `keys` followed by `rest`.
fn header(tensors: u64, keys: u64, rest: &[&[u8]]) -> Vec<u8> {
    let mut out = b"GGUF".to_vec();
    out.extend(3u32.to_le_bytes());
    out.extend(tensors.to_le_bytes());
    out.extend(keys.to_le_bytes());
    rest.iter().for_each(|part| out.extend(*part));
    out.resize(out.len() + 4096, 0);
    out
}

fn name(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

#[test]
fn absurd_declarations_are_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = |n: u64| n.to_le_bytes();
    let one = 1u32.to_le_bytes();
    let zero = 0u32.to_le_bytes();
    let array = 9u32.to_le_bytes();
    let string = 8u32.to_le_bytes();
    let int = 4u32.to_le_bytes();
    let alignment = name("general.alignment");
    let tensor = |dims: &[u64], kind: u32, offset: u64| {
        let mut out = name("w");
        out.extend((dims.len() as u32).to_le_bytes());
        dims.iter().for_each(|d| out.extend(d.to_le_bytes()));
        out.extend(kind.to_le_bytes());
        out.extend(offset.to_le_bytes());
        out
    };
    let big = 1u64 << 63;
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("tensors", header(u64::MAX, 0, &[])),
        ("metadata", header(0, u64::MAX, &[])),
        ("name of", header(0, 1, &[&bytes(u64::MAX)])),
        (
            "truncated",
            header(0, 1, &[&name("k"), &string, &bytes(u64::MAX)]),
        ),
        (
            "elements",
            header(0, 1, &[&name("k"), &array, &zero, &bytes(u64::MAX)]),
        ),
        ("alignment", header(0, 1, &[&alignment, &int, &zero])),
        ("alignment", header(0, 1, &[&alignment, &int, &one])),
        ("dimensions", header(1, 0, &[&tensor(&[big, big], 0, 0)])),
        ("dimensions", header(1, 0, &[&tensor(&[1 << 62, 4], 0, 0)])),
        ("dimensions", header(1, 0, &[&tensor(&[0, 4], 0, 0)])),
        ("dimensions", header(1, 0, &[&tensor(&[33], 8, 0)])),
        (
            "dimensions",
            header(1, 0, &[&name("w"), &99u32.to_le_bytes()]),
        ),
        ("IQ3_S", header(1, 0, &[&tensor(&[256], 21, 0)])),
        ("dimensions", header(1, 0, &[&tensor(&[48], 20, 0)])),
        ("dimensions", header(1, 0, &[&tensor(&[48], 39, 0)])),
        ("dimensions", header(1, 0, &[&tensor(&[128], 23, 0)])),
        ("truncated", header(1, 0, &[&tensor(&[32], 0, u64::MAX)])),
        ("aligned", header(1, 0, &[&tensor(&[32], 0, 5)])),
        (
            "twice",
            header(2, 0, &[&tensor(&[32], 0, 0), &tensor(&[32], 0, 128)]),
        ),
        (
            "big-endian",
            [&b"GGUF"[..], &3u32.to_be_bytes(), &[0; 64]].concat(),
        ),
    ];
    for (expected, file) in cases {
        let error = read_all(&dir, &file).unwrap_err().to_string();
        assert!(error.contains(expected), "expected {expected}: {error}");
    }
    let mut nested = header(0, 1, &[&name("k"), &array]);
    nested.truncate(nested.len() - 4096);
    for _ in 0..5000 {
        nested.extend(array);
        nested.extend(bytes(1));
    }
    assert!(
        read_all(&dir, &nested)
            .unwrap_err()
            .to_string()
            .contains("nested")
    );
    let overlap = {
        let mut second = tensor(&[32], 0, 32);
        second[8] = b'v';
        header(2, 0, &[&tensor(&[32], 0, 0), &second])
    };
    assert!(
        read_all(&dir, &overlap)
            .unwrap_err()
            .to_string()
            .contains("overlap")
    );
}

/// Each text alone is short enough; a disk holds such a file in some kilobytes.
#[test]
fn a_header_is_bounded_as_a_whole() {
    use std::io::{Seek, SeekFrom, Write};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sparse.gguf");
    let kind = 8u32.to_le_bytes();
    let long = |key: &str, mib: u64| [&name(key)[..], &kind, &(mib << 20).to_le_bytes()].concat();
    for (mib, refused) in [(20, false), (70, true)] {
        let mut begin = header(0, 2, &[&long("a", mib)]);
        begin.truncate(begin.len() - 4096);
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(&begin).unwrap();
        file.seek(SeekFrom::Current((mib << 20) as i64)).unwrap();
        file.write_all(&long("b", mib)).unwrap();
        file.set_len(200 << 20).unwrap();
        let opened = GgufFile::open(&path);
        assert_eq!(opened.is_err(), refused, "{mib}: {opened:?}");
        if let Err(error) = opened {
            let error = error.to_string();
            assert!(
                error.contains("b ends behind its first 128 MiB")
                    && error.contains("download it again"),
                "{error}"
            );
        }
    }
}

/// `cp new old` writes into the file that is mapped; `mv` puts another in its place.
#[test]
fn a_file_that_changes_while_it_is_used_is_not_read_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = tiny(&dir, &TinySpec::llama());
    let file = GgufFile::open(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::rename(&path, dir.path().join("old")).unwrap();
    std::fs::write(&path, &bytes).unwrap();
    assert!(file.tensor_data("token_embd.weight").is_ok());
    let file = GgufFile::open(&path).unwrap();
    let out = std::fs::File::options().write(true).open(&path).unwrap();
    out.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let error = file
        .tensor_data("token_embd.weight")
        .unwrap_err()
        .to_string();
    assert!(error.contains("was changed while it was in use"), "{error}");
    let file = GgufFile::open(&path).unwrap();
    out.set_len(bytes.len() as u64 / 2).unwrap();
    assert!(file.qtensor("token_embd.weight", &Device::Cpu).is_err());
}
