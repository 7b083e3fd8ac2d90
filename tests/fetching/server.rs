//! A Hub on loopback that says what a test wants, and remembers what it was asked.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

/// One request: its path and its headers, as they came.
#[derive(Clone, Debug)]
pub struct Request {
    pub path: String,
    pub headers: Vec<String>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &'_ String| line.split(':').next().unwrap().eq_ignore_ascii_case(name);
        let line = self.headers.iter().find(|line| of(line))?;
        line.split_once(':').map(|(_, value)| value.trim())
    }

    /// The first byte that is wanted.
    pub fn start(&self) -> usize {
        let range = self.header("range").and_then(|r| r.strip_prefix("bytes="));
        let start = range.and_then(|range| range.split('-').next());
        start.map_or(0, |start| start.parse().unwrap())
    }

    /// Whether only the first byte is wanted.
    pub fn asks(&self) -> bool {
        self.header("range") == Some("bytes=0-0")
    }
}

pub struct Server {
    pub address: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers each request with what `answer` gives, byte for byte, and closes.
    pub fn new(mut answer: impl FnMut(&Request) -> Vec<u8> + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        // Ends with the tests.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(request) = read(&stream) {
                    log.lock().unwrap().push(request.clone());
                    let _ = (&stream).write_all(&answer(&request));
                }
            }
        });
        Server { address, seen }
    }

    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let path = first.split(' ').nth(1)?.to_string();
    let headers = lines.map_while(Result::ok).take_while(|l| !l.is_empty());
    Some(Request {
        path,
        headers: headers.collect(),
    })
}

/// A file that looks like a model.
pub fn model() -> Vec<u8> {
    let rest = (0..600_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8);
    b"GGUF".iter().copied().chain(rest).collect()
}

pub fn sha256(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A raw answer.
pub fn answer(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut raw = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    for (name, value) in headers {
        raw += &format!("{name}: {value}\r\n");
    }
    [raw.as_bytes(), b"\r\n", body].concat()
}

/// What an honest Hub answers: the file from where it is wanted, its hash and its commit. `headers`
/// take the place of those of the same name.
pub fn honest(request: &Request, file: &[u8], headers: &[(&str, &str)]) -> Vec<u8> {
    let end = if request.asks() { 1 } else { file.len() };
    let start = request.start().min(end);
    let body = &file[start..end];
    let (tag, commit) = (format!("\"{}\"", sha256(file)), "c".repeat(40));
    let range = format!("bytes {start}-{}/{}", end.saturating_sub(1), file.len());
    let (length, whole) = (body.len().to_string(), file.len().to_string());
    let usual = [
        ("Content-Length", length.as_str()),
        ("Content-Range", &range),
        ("X-Repo-Commit", &commit),
        ("X-Linked-Size", &whole),
        ("X-Linked-Etag", &tag),
        ("ETag", &tag),
    ];
    let said = |name: &str| headers.iter().any(|(other, _)| *other == name);
    let mut all: Vec<(&str, &str)> = usual.into_iter().filter(|(name, _)| !said(name)).collect();
    // `-`: not at all.
    all.extend(headers.iter().filter(|(_, value)| *value != "-"));
    answer("206 Partial Content", &all, body)
}
