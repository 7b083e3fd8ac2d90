//! Compiles the GPU kernels for the `cuda` feature; does nothing without it.
//!
//! One image holds machine code for the cards of today and PTX from which the driver compiles for others.

use std::env;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

const KERNELS: &str = "src/gpu/kernels";

/// Machine code is made for these, as far as the compiler knows them: A100, H100, RTX 50.
const CARDS: [&str; 3] = ["80", "90", "120"];

/// The oldest cards that run our kernels (tensor instructions, bf16). Newer ones compile its PTX.
const OLDEST: &str = "80";

fn main() -> ExitCode {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return ExitCode::SUCCESS;
    }
    println!("cargo:rerun-if-changed={KERNELS}");
    for name in ["NVCC", "CUDA_HOME", "CUDA_PATH"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    match compile() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn compile() -> Result<(), String> {
    let nvcc = nvcc();
    let known = output(Command::new(&nvcc).arg("--list-gpu-code"))?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo names no OUT_DIR")?);
    let mut command = Command::new(&nvcc);
    command.args(["-fatbin", "-x", "cu", "-std=c++17", "-O3", "--threads", "2"]);
    command.arg("-Xfatbin=-compress-all");
    for card in CARDS {
        if known
            .lines()
            .any(|code| code.trim() == format!("sm_{card}"))
        {
            command.arg(format!("-gencode=arch=compute_{card},code=sm_{card}"));
        }
    }
    command.arg(format!(
        "-gencode=arch=compute_{OLDEST},code=compute_{OLDEST}"
    ));
    command.arg("-o").arg(out.join("kernels.fatbin"));
    command.arg(PathBuf::from(KERNELS).join("all.cpp"));
    output(&mut command).map(drop)
}

/// The compiler: what `NVCC` says, that of the toolkit which is named, the one on the path, or the usual one.
fn nvcc() -> PathBuf {
    if let Some(named) = env::var_os("NVCC").filter(|name| !name.is_empty()) {
        return named.into();
    }
    let name = format!("nvcc{}", env::consts::EXE_SUFFIX);
    let homes = ["CUDA_HOME", "CUDA_PATH"]
        .into_iter()
        .filter_map(env::var_os);
    let bins = homes.map(|home| PathBuf::from(home).join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = PathBuf::from("/usr/local/cuda/bin");
    let mut places = bins.chain(env::split_paths(&path)).chain([usual]);
    let found = places.find_map(|bin| Some(bin.join(&name)).filter(|file| file.is_file()));
    found.unwrap_or(name.into())
}

/// Runs a command; what it prints, or why it failed.
fn output(command: &mut Command) -> Result<String, String> {
    let shown = format!("{command:?}");
    let output = command.output().map_err(|why| {
        format!(
            "CUDA's compiler does not start: {why}\n  {shown}\n\
             The feature `cuda` needs nvcc of CUDA 12 or newer: put it on the PATH, or set NVCC or CUDA_HOME."
        )
    })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    Err(format!(
        "the GPU kernels do not compile ({}):\n  {shown}\n{out}{err}",
        output.status
    ))
}
