//! Writes what fuzzing begins with into `corpus/`: `cargo run --bin seeds`.

#[path = "../tests/fuzzed/bodies.rs"]
mod bodies;

fn main() -> std::io::Result<()> {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (target, name, bytes) in bodies::seeds() {
        let folder = corpus.join(target);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}
