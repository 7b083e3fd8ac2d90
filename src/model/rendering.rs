//! A template rendered where it can do no harm. Its fuel bounds most of what it may cost, but not
//! what the engine does in one step: lists that hold each other many times can be compared for
//! ever. So a helper does it, with bounds on time and memory; where there are none (tests, other
//! programs), fuel has to do.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Local};
use minijinja::{Environment, Value, context};
use serde::{Deserialize, Serialize};

use super::jinja::{self, REFUSED};
use super::thinking::Thinking;
use super::thoughts::Told;
use crate::aside::{self, Answer};

/// The program's first argument when it is the helper.
const ARGUMENT: &str = "internal-render";
const TIME: Duration = Duration::from_secs(4);
/// Beside what the conversation takes.
const MEMORY: usize = 512 << 20;
/// Most bytes of a conversation in the template's words, beside those of the conversation.
const LIMIT: usize = 16 << 20;
/// Lists may hold each other as deep as fuel has them made, and are dropped as deep.
const STACK: usize = 256 << 20;
const FAULT: &str = "the engine for templates met a fault";

/// A conversation to be written as a template says.
#[derive(Debug, Serialize)]
pub struct Job<'a> {
    pub source: &'a str,
    pub messages: Vec<Told>,
    pub add_generation_prompt: bool,
    pub bos: &'a str,
    pub eos: &'a str,
    /// RFC 3339.
    pub began: String,
    pub thinking: Thinking,
}

/// Why there is no text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// The template says so.
    Refused(String),
    Failed(String),
    /// Nobody wants it any more.
    Stopped,
}

impl Job<'_> {
    fn bytes(&self) -> usize {
        let bytes = |m: &Told| m.content.len() + m.thoughts.as_ref().map_or(0, String::len);
        self.messages.iter().map(bytes).sum()
    }

    /// The text, in a process of its own where there is one; that is ended as soon as `stopped` holds.
    pub fn render(
        &self,
        compiled: &Environment<'static>,
        stopped: &dyn Fn() -> bool,
    ) -> Result<String, Failure> {
        let aside = aside::helpers().then(|| self.aside(stopped));
        match aside {
            Some(Ok(rendered)) => rendered,
            // No process is to be had: a conversation with an honest model goes on.
            Some(Err(_)) | None => self.here(compiled.clone()),
        }
    }

    /// The text, within the fuel's bounds.
    fn here(&self, env: Environment<'static>) -> Result<String, Failure> {
        let env = Mutex::new(Some(env));
        let render = || {
            let env = env.lock().unwrap_or_else(PoisonError::into_inner).take()?;
            Some(self.on_this_thread(env))
        };
        let rendered = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK);
            match thread.spawn_scoped(scope, render) {
                Ok(rendering) => rendering.join().ok().flatten(),
                // Where memory is bounded, the stack that is there has to do.
                Err(_) => render(),
            }
        });
        rendered.unwrap_or_else(|| Err(Failure::Failed(FAULT.into())))
    }

    fn on_this_thread(&self, mut env: Environment<'static>) -> Result<String, Failure> {
        env.set_fuel(Some(jinja::fuel(self.messages.len(), self.bytes())));
        let began = DateTime::parse_from_rfc3339(&self.began);
        jinja::set_clock(&mut env, began.map_or_else(|_| Local::now(), Into::into));
        let messages: Vec<Value> = self.messages.iter().map(message).collect();
        // What is not said about thinking is not there, so that the template's own default holds.
        let mut said: BTreeMap<&str, Value> = BTreeMap::from([
            ("messages", messages.into()),
            ("add_generation_prompt", self.add_generation_prompt.into()),
            ("bos_token", self.bos.into()),
            ("eos_token", self.eos.into()),
        ]);
        let Thinking { enable, effort } = self.thinking;
        // Some ask for it by another name.
        said.extend(enable.said().map(|on| ("enable_thinking", on.into())));
        said.extend(enable.said().map(|on| ("thinking", on.into())));
        said.extend(effort.said().map(|name| ("reasoning_effort", name.into())));
        let rendered = env
            .get_template("chat")
            .and_then(|template| template.render(said));
        rendered.map_err(|error| {
            let refused = |detail: &str| {
                let own = detail.strip_prefix(REFUSED).map(str::to_owned);
                // It wants what no conversation here has: its own condition.
                own.or_else(|| Some(format!("{} is undefined", undefined(detail)?)))
            };
            match error.detail().and_then(refused) {
                Some(why) => Failure::Refused(why.escape_debug().to_string()),
                None => Failure::Failed(error.to_string().escape_debug().to_string()),
            }
        })
    }

    fn aside(&self, stopped: &dyn Fn() -> bool) -> io::Result<Result<String, Failure>> {
        let job = serde_json::to_vec(self)?;
        let limit = LIMIT + 2 * job.len();
        let bytes = self.bytes().to_string();
        let (status, text) = match aside::call(&[ARGUMENT, &bytes], &job, limit, stopped)? {
            Answer::Ended(status, text) => (status, text),
            Answer::Stopped => return Ok(Err(Failure::Stopped)),
        };
        let why = match status {
            _ if text.len() >= limit => "it writes too much",
            Some(0) => match serde_json::from_slice(&text) {
                Ok(rendered) => return Ok(rendered),
                Err(_) => "it writes what cannot be read",
            },
            Some(code) if code == i32::from(aside::TOO_SLOW) => "it takes too long",
            Some(code) if code == i32::from(aside::TOO_LARGE) => "it takes too much memory",
            _ => FAULT,
        };
        Ok(Err(Failure::Failed(why.into())))
    }
}

/// A message as templates know it. What was thought has two names.
fn message(m: &Told) -> Value {
    let (role, content) = (m.role.name(), m.content.as_str());
    match m.thoughts.as_deref() {
        None => context! { role, content },
        Some(thoughts) => {
            context! { role, content, reasoning_content => thoughts, thinking => thoughts }
        }
    }
}

/// The name in an error about something that is not there.
fn undefined(detail: &str) -> Option<&str> {
    let (before, _) = detail.rsplit_once(" is undefined)")?;
    before.rsplit_once('(').map(|(_, name)| name)
}

/// The whole program, where it was started as the helper.
pub fn helper() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(OsStr::new(ARGUMENT)) {
        return None;
    }
    let bytes: Option<usize> = arguments
        .next()
        .and_then(|text| text.to_str()?.parse().ok());
    // The conversation is here as JSON, as text and as what becomes of it.
    aside::bound(TIME, MEMORY + 8 * bytes.unwrap_or(0));
    let mut job = Vec::new();
    let rendered = match io::stdin().lock().read_to_end(&mut job) {
        Ok(_) => rendered(&job),
        Err(error) => Err(Failure::Failed(error.to_string())),
    };
    let written = serde_json::to_writer(io::stdout().lock(), &rendered);
    Some(match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    })
}

/// What the helper makes of a job that came through the pipe.
///
/// # Errors
/// A [`Failure`], whatever the bytes are.
pub fn rendered(job: &[u8]) -> Result<String, Failure> {
    let failed = |error: String| Failure::Failed(error.escape_debug().to_string());
    let job: OwnedJob = serde_json::from_slice(job).map_err(|e| failed(e.to_string()))?;
    let env = jinja::compile(&job.source).map_err(|e| failed(e.to_string()))?;
    Job {
        source: &job.source,
        messages: job.messages,
        add_generation_prompt: job.add_generation_prompt,
        bos: &job.bos,
        eos: &job.eos,
        began: job.began,
        thinking: job.thinking,
    }
    .here(env)
}

/// As it comes through the pipe.
#[derive(Deserialize)]
struct OwnedJob {
    source: String,
    messages: Vec<Told>,
    add_generation_prompt: bool,
    bos: String,
    eos: String,
    began: String,
    #[serde(default)]
    thinking: Thinking,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::message::Role;

    #[test]
    fn what_goes_through_the_pipe_says_the_same() {
        let source = "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n\
            {% endfor %}{{ strftime_now('%Y-%m-%d %H') }}{% if add_generation_prompt %}!{% endif %}";
        let job = |source| Job {
            source,
            messages: vec![Told {
                role: Role::User,
                content: "a\u{10fffd}\u{0}日本\n".into(),
                thoughts: None,
            }],
            add_generation_prompt: true,
            bos: "<s>",
            eos: "",
            began: "2026-11-03T10:00:00+00:00".into(),
            thinking: Thinking::default(),
        };
        let here = job(source).here(jinja::compile(source).unwrap()).unwrap();
        let sent = serde_json::to_vec(&job(source)).unwrap();
        assert_eq!(rendered(&sent).unwrap(), here);
        assert!(here.starts_with("<s>user: a\u{10fffd}\u{0}日本\n\n2026-11-0"));
        let refusing = serde_json::to_vec(&job("{{ raise_exception('no') }}")).unwrap();
        assert_eq!(rendered(&refusing), Err(Failure::Refused("no".into())));
    }

    #[test]
    fn lists_may_hold_each_other_as_deep_as_they_are_made() {
        let job = serde_json::json!({
            "source": "{% set n = namespace(l=[1]) %}{% for _ in range(90000) %}\
                {% set n.l = [n.l] %}{% endfor %}{{ n.l | length }}",
            "messages": [],
            "add_generation_prompt": true,
            "bos": "",
            "eos": "",
            "began": "2026-11-03T10:00:00+00:00",
        });
        assert_eq!(rendered(job.to_string().as_bytes()), Ok("1".into()));
    }

    #[test]
    fn templates_write_what_jinja2_does() {
        #[derive(Deserialize)]
        struct Case {
            source: String,
            messages: Vec<Told>,
            thinking: Thinking,
            text: Option<String>,
            refused: Option<String>,
        }
        let cases = include_str!("../../tests/fixtures/templates.json");
        let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
        assert!(cases.len() > 40);
        for case in cases {
            let job = Job {
                source: &case.source,
                messages: case.messages,
                add_generation_prompt: true,
                bos: "<BOS>",
                eos: "<EOS>",
                began: "2026-11-25T10:00:00+00:00".into(),
                thinking: case.thinking,
            };
            let rendered = rendered(&serde_json::to_vec(&job).unwrap());
            match (rendered, case.text, case.refused) {
                (Ok(ours), Some(text), _) => assert_eq!(ours, text, "{}", case.source),
                (Err(Failure::Refused(why)), None, Some(refused)) => {
                    // Names are quoted in other ways.
                    assert_eq!(why.replace('`', "\\'"), refused.escape_debug().to_string());
                }
                (ours, theirs, _) => panic!("{}: {ours:?}, {theirs:?}", case.source),
            }
        }
    }
}
