//! The terminal, taken and given back. However the app ends, the terminal is as it was.

use std::io::{self, BufWriter, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::Show;
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste,
    EnableMouseCapture,
};
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

/// Where frames go.
pub type Screen = Terminal<CrosstermBackend<BufWriter<Stdout>>>;

/// The terminal is ours at the moment.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Gives the terminal back when dropped.
#[derive(Debug)]
pub struct Guard(());

impl Guard {
    /// Takes the terminal: raw mode, the other screen, bracketed paste, the mouse if wanted.
    ///
    /// # Errors
    /// What the terminal or the system says; then nothing is taken.
    pub fn take(mouse: bool) -> io::Result<(Guard, Screen)> {
        take(mouse)?;
        let guard = Guard(());
        let out = BufWriter::with_capacity(1 << 16, io::stdout());
        Ok((guard, Terminal::new(CrosstermBackend::new(out))?))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
    }
}

/// Takes the terminal (again).
pub fn take(mouse: bool) -> io::Result<()> {
    TAKEN.store(true, Ordering::SeqCst);
    crate::bus::remember_terminal();
    let taken = enable_raw_mode().and_then(|()| {
        let mut out = io::stdout();
        queue!(out, EnterAlternateScreen, EnableBracketedPaste)?;
        if mouse {
            queue!(out, EnableMouseCapture)?;
        }
        out.flush()
    });
    if taken.is_err() {
        restore();
    }
    taken
}

/// Gives the terminal back; does nothing where it is not ours. Also for panics and signals.
pub fn restore() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // Each on its own: a terminal that is gone must not keep the rest from being tried.
    let mut out = io::stdout();
    let _ = execute!(
        out,
        DisableMouseCapture,
        DisableBracketedPaste,
        DisableFocusChange,
        LeaveAlternateScreen,
        Show
    );
    let _ = disable_raw_mode();
    crate::bus::forget_terminal();
}

/// Gives the mouse to the app or back to the terminal.
pub fn mouse(on: bool) -> io::Result<()> {
    match on {
        true => execute!(io::stdout(), EnableMouseCapture),
        false => execute!(io::stdout(), DisableMouseCapture),
    }
}
