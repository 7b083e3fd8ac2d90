//! The real vocabulary of the default model, from the repository's fixtures.

use std::path::Path;

/// Unpacks the tokenizer metadata of SmolLM2-135M-Instruct to `path`, a GGUF without tensors.
pub fn write_smollm2_vocabulary(path: impl AsRef<Path>) -> std::io::Result<()> {
    let fixture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/smollm2-vocabulary.zip"
    );
    let mut archive = zip::ZipArchive::new(std::fs::File::open(fixture)?)?;
    let mut inside = archive.by_name("vocabulary.gguf")?;
    std::io::copy(&mut inside, &mut std::fs::File::create(path)?)?;
    Ok(())
}
