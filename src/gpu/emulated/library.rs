//! The kernels, compiled by the host's C++ compiler once and loaded into this process.

#![allow(unsafe_code, reason = "loads a library and calls into it")]

use std::ffi::{CStr, CString, OsString, c_char, c_void};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use candle_core::{Error, Result, bail};
use sha2::{Digest, Sha256};

use crate::gpu::sources::SOURCES;

/// For the address sanitizer, which must be in the process from its start: run tests with
/// `LD_PRELOAD=$(gcc -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0`.
const SANITIZE: &str = "CACHAT_EMULATED_ASAN";

const FLAGS: &[&str] = &[
    "-std=c++17",
    "-O2",
    "-g1",
    "-shared",
    "-fPIC",
    "-fno-strict-aliasing",
    "-fvisibility=hidden",
    "-w",
];

type Run = unsafe extern "C" fn(*const c_void, *const u32, u32, u32, u64) -> *const c_char;
type Size = unsafe extern "C" fn() -> u32;

/// A loaded library, which stays until the process ends.
pub struct Library(*mut c_void);

// SAFETY: a handle that is only looked things up with, which any thread may do.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

/// A kernel.
#[derive(Clone, Copy)]
pub struct Entry {
    run: Run,
    size: usize,
    /// Bytes of memory that a group shares beside what a launch asks for.
    pub shares: u32,
}

/// The library of this process, made where it is not there yet.
pub fn loaded() -> Result<&'static Library> {
    static LOADED: OnceLock<std::result::Result<Library, String>> = OnceLock::new();
    let made = LOADED.get_or_init(|| load().map_err(|error| error.to_string()));
    made.as_ref().map_err(|error| Error::Msg(error.clone()))
}

fn load() -> Result<Library> {
    let mut flags = FLAGS.to_vec();
    if std::env::var_os(SANITIZE).is_some_and(|on| on == "1") {
        flags.extend(["-fsanitize=address", "-fno-omit-frame-pointer"]);
    }
    let program = std::env::current_exe()?;
    let path = program.with_file_name(name(&flags));
    if !path.exists() {
        compile(&flags, &path)?;
    }
    let text = CString::new(path.as_os_str().as_encoded_bytes()).map_err(Error::wrap)?;
    // SAFETY: a path that ends with zero; what runs as the library is loaded is our own.
    let handle = unsafe { libc::dlopen(text.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if handle.is_null() {
        bail!("{} is not loaded: {}", path.display(), load_error());
    }
    Ok(Library(handle))
}

fn load_error() -> String {
    // SAFETY: null, or a text that ends with zero and lasts until this thread's next such call.
    unsafe {
        let error = libc::dlerror();
        let none = || "nobody knows why".to_owned();
        if error.is_null() {
            return none();
        }
        CStr::from_ptr(error).to_string_lossy().into_owned()
    }
}

/// The file's name, which differs where it would be made differently.
fn name(flags: &[&str]) -> String {
    let mut hash = Sha256::new();
    let compiler = std::env::var("CXX").unwrap_or_default();
    let sources = SOURCES.iter().flat_map(|(name, text)| [*name, *text]);
    for part in sources.chain(flags.iter().copied()).chain([&*compiler]) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digits: String = hash.finalize()[..8]
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    format!("cachat-emulated-{digits}.so")
}

/// Writes the sources and compiles them into `to`, whole or not at all.
fn compile(flags: &[&str], to: &Path) -> Result<()> {
    let folder = to.parent().unwrap_or(Path::new("."));
    // Beside the place where it goes: so it is moved there in one step.
    let scratch = tempfile::Builder::new()
        .prefix(".cachat-emulated-")
        .tempdir_in(folder)?;
    for (name, text) in SOURCES {
        std::fs::write(scratch.path().join(name), text)?;
    }
    let made = scratch.path().join("made.so");
    for compiler in compilers() {
        let mut words = compiler.to_str().unwrap_or_default().split_whitespace();
        let Some(program) = words.next() else {
            continue;
        };
        let mut command = Command::new(program);
        command.args(words).args(flags).arg("-o").arg(&made);
        let said = match command.arg("all.cpp").current_dir(scratch.path()).output() {
            Ok(said) => said,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => bail!("{program}: {error}"),
        };
        if !said.status.success() {
            let text = String::from_utf8_lossy(&said.stderr);
            bail!("{program} does not compile the kernels:\n{text}");
        }
        std::fs::rename(&made, to)?;
        return Ok(());
    }
    bail!("the emulated device needs a C++ compiler: install g++ or clang++, or set CXX")
}

fn compilers() -> Vec<OsString> {
    match std::env::var_os("CXX") {
        Some(chosen) if !chosen.is_empty() => vec![chosen],
        _ => ["c++", "g++", "clang++"].map(OsString::from).to_vec(),
    }
}

impl Library {
    fn symbol(&self, name: &str) -> Option<*mut c_void> {
        let text = CString::new(name).ok()?;
        // SAFETY: the library is loaded, the name ends with zero.
        let found = unsafe { libc::dlsym(self.0, text.as_ptr()) };
        (!found.is_null()).then_some(found)
    }

    pub fn entry(&self, name: &str) -> Result<Entry> {
        let run = self.symbol(&format!("cachat_run_{name}"));
        let size = self.symbol(&format!("cachat_size_{name}"));
        let shares = self.symbol(&format!("cachat_shares_{name}"));
        let (Some(run), Some(size), Some(shares)) = (run, size, shares) else {
            bail!("there is no kernel {name}");
        };
        // SAFETY: `KERNEL` in `host.h` gives functions of these names these types.
        unsafe {
            let size = std::mem::transmute::<*mut c_void, Size>(size)();
            let shares = std::mem::transmute::<*mut c_void, Size>(shares)();
            let run = std::mem::transmute::<*mut c_void, Run>(run);
            Ok(Entry {
                run,
                size: size as usize,
                shares,
            })
        }
    }
}

impl Entry {
    pub fn run(
        &self,
        name: &str,
        arguments: &[u8],
        grid: [u32; 3],
        threads: u32,
        shared: u32,
        seed: u64,
    ) -> Result<()> {
        if arguments.len() != self.size {
            let (has, size) = (arguments.len(), self.size);
            bail!("{name} takes {size} bytes of arguments, not {has}");
        }
        // SAFETY: the arguments are as long as the kernel takes them; it copies them. What they point to is
        // the launch's word, as on any device.
        let error = unsafe {
            (self.run)(
                arguments.as_ptr().cast(),
                grid.as_ptr(),
                threads,
                shared,
                seed,
            )
        };
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: a text that ends with zero, and lasts until this thread's next launch.
        let text = unsafe { CStr::from_ptr(error) };
        Err(Error::Msg(text.to_string_lossy().into_owned()))
    }
}
