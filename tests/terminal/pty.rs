//! The real program in a real pseudo-terminal, its screen read as a person would see it.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cachat::testing::{TinySpec, write_tiny_gguf};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Patience for what should be quick; generous, since machines are busy.
pub const SOON: Duration = Duration::from_secs(120);

/// What a frame begins with, but for the last letter, `h`, and ends with, `l`.
const FRAME: &str = "\x1b[?2026";
/// A frame that does not end is shown as it is after this time, as by terminals.
const FRAME_TIME: Duration = Duration::from_secs(10);

struct Output {
    parser: vt100::Parser,
    raw: Vec<u8>,
    /// While a frame comes: since when, and what is shown until it is whole.
    before: Option<(Instant, String)>,
}

impl Output {
    fn take(&mut self, mut text: &str) {
        while let Some(at) = text.find(FRAME) {
            let (drawn, frame) = text.split_at(at);
            self.parser.process(drawn.as_bytes());
            let (mark, behind) = frame.split_at(FRAME.len());
            self.before = behind
                .starts_with('h')
                .then(|| (Instant::now(), self.parser.screen().contents()));
            self.parser.process(mark.as_bytes());
            text = behind;
        }
        self.parser.process(text.as_bytes());
    }

    /// As a terminal that draws whole frames shows it.
    fn shown(&self) -> String {
        match &self.before {
            Some((since, before)) if since.elapsed() < FRAME_TIME => before.clone(),
            _ => self.parser.screen().contents(),
        }
    }
}

/// How much of `text` can be taken: not the beginning of a mark that is still to come.
fn whole(text: &str) -> usize {
    let last = text.rfind('\x1b').unwrap_or(text.len());
    match FRAME.starts_with(&text[last..]) {
        true => last,
        false => text.len(),
    }
}

/// The app, running.
pub struct App {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    output: Arc<Mutex<Output>>,
    /// As the terminal was before the app.
    modes: String,
    pub home: Home,
}

/// The terminal's settings.
#[cfg(target_os = "linux")]
fn modes(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios())
}

#[cfg(not(target_os = "linux"))]
fn modes(_: &dyn MasterPty) -> String {
    String::new()
}

/// A folder of its own with a tiny model in it.
#[derive(Clone)]
pub struct Home(Arc<tempfile::TempDir>);

impl Home {
    pub fn new() -> Home {
        Home::with(&TinySpec::llama())
    }

    pub fn with(spec: &TinySpec) -> Home {
        let home = tempfile::tempdir().unwrap();
        write_tiny_gguf(home.path().join("tiny.gguf"), spec).unwrap();
        Home(Arc::new(home))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The saved conversations, as they are in their files.
    pub fn sessions(&self) -> Vec<String> {
        let paths = self.session_paths().into_iter();
        paths.map(|p| std::fs::read_to_string(p).unwrap()).collect()
    }

    /// The answers of the only conversation, in one piece.
    pub fn answer(&self) -> String {
        let sessions = self.sessions();
        assert_eq!(sessions.len(), 1);
        let records = sessions[0]
            .lines()
            .filter_map(|l| serde_json::from_str(l).ok());
        let answers =
            records.filter_map(|r: serde_json::Value| Some(r.get("answer")?.as_str()?.to_owned()));
        answers.collect()
    }

    /// As a crash while writing leaves it.
    pub fn append_to_session(&self, text: &str) {
        let path = &self.session_paths()[0];
        let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// The model waits where `gate` says: `answer 40` behind the fortieth token of an answer, `read 3`
    /// at 3 % of a prefill; `pace 5` lets a token come every 5 ms.
    pub fn hold(&self, gate: &str) {
        // A gate that is half written would be open.
        self.file("gate.new", gate);
        std::fs::rename(self.path("gate.new"), self.path("gate")).unwrap();
    }

    /// The model goes on.
    pub fn open(&self) {
        std::fs::remove_file(self.path("gate")).unwrap();
    }

    pub fn session_paths(&self) -> Vec<PathBuf> {
        let Ok(folder) = std::fs::read_dir(self.path("sessions")) else {
            return Vec::new();
        };
        folder.filter_map(|e| Some(e.ok()?.path())).collect()
    }

    /// Crash reports.
    pub fn reports(&self) -> Vec<String> {
        let Ok(folder) = std::fs::read_dir(self.path("logs")) else {
            return Vec::new();
        };
        let reports = folder.filter_map(|e| std::fs::read_to_string(e.ok()?.path()).ok());
        reports.filter(|r| r.contains("message:")).collect()
    }
}

impl App {
    pub fn start(size: (u16, u16), args: &[&str]) -> App {
        App::start_in(Home::new(), size, args, &[])
    }

    pub fn start_in(home: Home, size: (u16, u16), args: &[&str], env: &[(&str, &str)]) -> App {
        let model = home.path("tiny.gguf");
        App::with_model(home, &model, size, args, env)
    }

    pub fn with_model(
        home: Home,
        model: &Path,
        size: (u16, u16),
        args: &[&str],
        env: &[(&str, &str)],
    ) -> App {
        let pair = native_pty_system().openpty(pty_size(size)).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_cachat"));
        command.env_clear();
        command.env("CACHAT_HOME", home.path(""));
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("CACHAT_TEST_GATE", home.path("gate"));
        command.env("CACHAT_TEST_DISK", home.path("disk"));
        for (name, value) in env {
            command.env(name, value);
        }
        command.cwd(home.path(""));
        command.arg("--model");
        command.arg(model);
        command.args(["--window", "8", "--threads", "2", "--temperature", "0"]);
        command.args(args);
        let modes = modes(&*pair.master);
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let output = Arc::new(Mutex::new(Output {
            parser: vt100::Parser::new(size.1, size.0, 0),
            raw: Vec::new(),
            before: None,
        }));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let shared = output.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 65536];
            let mut rest = Vec::new();
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                let mut output = shared.lock().unwrap();
                output.raw.extend_from_slice(&buffer[..n]);
                rest.extend_from_slice(&buffer[..n]);
                // Half a character waits for its other half, and half a mark.
                let valid = match std::str::from_utf8(&rest) {
                    Err(e) if e.error_len().is_none() => e.valid_up_to(),
                    _ => rest.len(),
                };
                let text = String::from_utf8_lossy(&rest[..valid]);
                let left = text.len() - whole(&text);
                // The parser leaves out U+FFFD, which terminals draw.
                output.take(&text[..text.len() - left].replace('\u{fffd}', "?"));
                rest.drain(..valid - left);
            }
        });
        App {
            child,
            writer: pair.master.take_writer().unwrap(),
            master: pair.master,
            output,
            modes,
            home,
        }
    }

    /// Ready for a question.
    pub fn ready(self) -> App {
        self.until("? help");
        self
    }

    pub fn send(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    /// Types slowly enough to be typing, then Enter.
    pub fn say(&mut self, text: &str) {
        self.send(text);
        self.until(text.split_whitespace().next().unwrap_or_default());
        self.send("\r");
    }

    /// A bracketed paste, written beside the test so that a full pipe blocks nobody.
    pub fn paste(&mut self, text: &str) {
        self.send("\x1b[200~");
        self.send(text);
        self.send("\x1b[201~");
    }

    /// The same, with an eye on the screen: how long it took, and the longest time for which
    /// nothing changed.
    pub fn paste_watched(&mut self, text: &str) -> (Duration, Duration) {
        let (writer, output) = (&mut self.writer, &self.output);
        let begun = Instant::now();
        let mut still = Duration::ZERO;
        std::thread::scope(|scope| {
            let writing = scope.spawn(move || {
                for part in ["\x1b[200~", text, "\x1b[201~"] {
                    writer.write_all(part.as_bytes()).unwrap();
                }
                writer.flush().unwrap();
            });
            let (mut seen, mut since) = (0, Instant::now());
            while !writing.is_finished() {
                let printed = output.lock().unwrap().raw.len();
                if printed != seen {
                    (seen, since) = (printed, Instant::now());
                }
                still = still.max(since.elapsed());
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        (begun.elapsed(), still)
    }

    /// Presses a key and says when.
    pub fn press(&mut self, key: &str) -> Instant {
        let now = Instant::now();
        self.send(key);
        now
    }

    /// How long after `begun` the screen is as it should be.
    #[track_caller]
    pub fn after(&self, begun: Instant, what: &str, holds: impl Fn(&str) -> bool) -> Duration {
        while !holds(&self.screen()) {
            assert!(
                begun.elapsed() < SOON,
                "waited for {what}; the screen is\n{}",
                self.screen()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        begun.elapsed()
    }

    /// Processor time the app has used.
    #[cfg(target_os = "linux")]
    pub fn processor_time(&self) -> Duration {
        let pid = self.child.process_id().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let behind = stat.rsplit(')').next().unwrap_or_default();
        // `utime` and `stime`, in ticks of 10 ms.
        let ticks = behind.split_whitespace().skip(11).take(2);
        Duration::from_millis(ticks.map(|t| t.parse::<u64>().unwrap() * 10).sum())
    }

    /// The program may map so many bytes more than it has.
    #[cfg(target_os = "linux")]
    pub fn limit_address_space(&self, more: u64) {
        let pid = self.child.process_id().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status
            .lines()
            .find_map(|l| l.strip_prefix("VmSize:"))
            .unwrap();
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        let limit = format!("--as={}", kib * 1024 + more);
        let set = std::process::Command::new("prlimit")
            .args([&limit, "--pid", &pid.to_string()])
            .status();
        assert!(set.unwrap().success());
    }

    pub fn resize(&mut self, size: (u16, u16)) {
        let mut output = self.output.lock().unwrap();
        output.parser.screen_mut().set_size(size.1, size.0);
        drop(output);
        self.master.resize(pty_size(size)).unwrap();
    }

    pub fn screen(&self) -> String {
        self.output.lock().unwrap().shown()
    }

    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().unwrap().raw).into_owned()
    }

    /// Waits until the screen shows `text`; fails with the screen.
    #[track_caller]
    pub fn until(&self, text: &str) {
        self.until_that(&format!("{text:?}"), |screen| screen.contains(text));
    }

    #[track_caller]
    pub fn gone(&self, text: &str) {
        self.until_that(&format!("no {text:?}"), |screen| !screen.contains(text));
    }

    #[track_caller]
    pub fn until_that(&self, what: &str, holds: impl Fn(&str) -> bool) {
        let begun = Instant::now();
        while !holds(&self.screen()) {
            assert!(
                begun.elapsed() < SOON,
                "waited for {what}; the screen is\n{}",
                self.screen()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.process_id().unwrap().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", name, &pid])
            .status();
        assert!(sent.unwrap().success());
    }

    /// As a fault comes: again for as long as nobody has taken it away.
    pub fn signal_until_ended(&mut self, name: &str) {
        let begun = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < SOON, "still running:\n{}", self.screen());
            self.signal(name);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Processes that it has started and that still run.
    #[cfg(target_os = "linux")]
    pub fn helpers(&self) -> usize {
        let pid = self.child.process_id().unwrap();
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let children = tasks.flatten().map(|task| {
            let said = std::fs::read_to_string(task.path().join("children"));
            said.unwrap_or_default().split_whitespace().count()
        });
        children.sum()
    }

    /// `R`, `S`, `T` (stopped) … as the system says.
    #[cfg(target_os = "linux")]
    pub fn process_state(&self) -> char {
        let pid = self.child.process_id().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')')
            .next()
            .and_then(|s| s.trim().chars().next())
            .unwrap_or('?')
    }

    /// Waits for the end; returns the exit status.
    #[track_caller]
    pub fn ended(&mut self) -> u32 {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                // What was written last is still on its way.
                std::thread::sleep(Duration::from_millis(100));
                return status.exit_code();
            }
            assert!(begun.elapsed() < SOON, "still running:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The terminal is as it was before the app.
    #[track_caller]
    pub fn assert_restored(&self) {
        let begun = Instant::now();
        // What was written last may still be on its way to us.
        while let Some(not) = self.not_restored() {
            assert!(begun.elapsed() < SOON, "not as it was: {not}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn not_restored(&self) -> Option<&'static str> {
        let output = self.output.lock().unwrap();
        let screen = output.parser.screen();
        let mouse = screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None;
        let found = [
            (screen.alternate_screen(), "the other screen"),
            (screen.hide_cursor(), "the cursor is hidden"),
            (screen.bracketed_paste(), "bracketed paste"),
            (mouse, "the mouse"),
            (modes(&*self.master) != self.modes, "raw mode"),
        ];
        found
            .into_iter()
            .find_map(|(not, what)| not.then_some(what))
    }

    /// Leaves as a person would.
    #[track_caller]
    pub fn leave(mut self) {
        self.send("\x1b");
        std::thread::sleep(Duration::from_millis(300));
        self.send("\x03\x03\x03\x04");
        assert_eq!(self.ended(), 0);
        self.assert_restored();
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

fn pty_size((cols, rows): (u16, u16)) -> PtySize {
    PtySize {
        rows,
        cols,
        pixel_width: 0,
        pixel_height: 0,
    }
}
