//! What the driver does in the world: names in folders, the clipboard, the user's editor.

use std::io::Write;
use std::path::PathBuf;

use crossterm::clipboard::CopyToClipboard;
use crossterm::execute;

use super::state::{Listing, Name, at_home, folder};

/// Most names offered.
const NAMES: usize = 200;
/// Terminals drop longer clipboard sequences, some with what follows.
const OSC52: usize = 74_000;

/// A path as people write it, with `~` for the home folder.
pub(super) fn home(path: &str) -> PathBuf {
    let dirs = directories::UserDirs::new();
    at_home(path, dirs.as_ref().map(|d| d.home_dir()))
}

/// The names that a path as typed could become: folders first, hidden ones only when asked for.
pub(super) fn list(prefix: &str) -> Listing {
    let within = folder(prefix);
    let start = &prefix[within.len()..];
    let place = match within {
        "" => PathBuf::from("."),
        within => home(within),
    };
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    let mut names: Vec<Name> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let hidden = name.starts_with('.') && !start.starts_with('.');
            let folder = entry.path().is_dir();
            (name.starts_with(start) && !hidden).then_some(Name { name, folder })
        })
        .collect();
    names.sort_by(|a, b| b.folder.cmp(&a.folder).then(a.name.cmp(&b.name)));
    let more = names.len().saturating_sub(NAMES);
    names.truncate(NAMES);
    Listing {
        prefix: prefix.to_owned(),
        names,
        more,
    }
}

/// To the terminal's clipboard (also over ssh), and to the system's where there is one.
pub(super) fn copy(out: &mut impl Write, text: String) -> Result<(), String> {
    let fits = text.len() <= OSC52;
    if fits {
        execute!(out, CopyToClipboard::to_clipboard_from(&text)).map_err(|e| e.to_string())?;
    }
    let system = std::env::var_os("DISPLAY").is_some()
        || std::env::var_os("WAYLAND_DISPLAY").is_some()
        || cfg!(any(target_os = "macos", windows));
    match system {
        // The clipboard's owner has to live on for others to paste: until the app ends.
        true => {
            std::thread::spawn(move || {
                if let Ok(mut clipboard) = arboard::Clipboard::new()
                    && clipboard.set_text(text).is_ok()
                {
                    std::mem::forget(clipboard);
                }
            });
            Ok(())
        }
        false if fits => Ok(()),
        false => Err("too long for the terminal's clipboard; /save writes a file".into()),
    }
}

/// Runs `$VISUAL` or `$EDITOR` on the text. The terminal is the editor's meanwhile.
pub(super) fn edit(text: &str) -> Result<String, String> {
    let named = ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.trim().is_empty()));
    let editor = named.unwrap_or_else(|| if cfg!(windows) { "notepad" } else { "vi" }.to_owned());
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let failed = |e: std::io::Error| format!("cannot run the editor `{editor}`: {e}; set EDITOR");
    let file = tempfile::Builder::new()
        .prefix("cachat-")
        .suffix(".md")
        .tempfile()
        .map_err(failed)?;
    std::fs::write(file.path(), text).map_err(failed)?;
    let status = std::process::Command::new(program)
        .args(words)
        .arg(file.path())
        .status()
        .map_err(failed)?;
    match status.success() {
        true => {
            let bytes = std::fs::read(file.path()).map_err(failed)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        false => Err(format!(
            "the editor `{editor}` ended with {status}; the input is as it was"
        )),
    }
}
