//! Chat templates: the conversation as the model was trained to read it (Jinja, from the GGUF).

use super::gguf::{GgufError, GgufFile};
use super::jinja::compile;
use super::masks::Masks;
use super::message::{Message, Role};
use super::rendering::{Failure, Job};
use super::thinking::Thinking;
use super::thoughts::{Form, Knows, Told};
use super::tokenizer::{Tokenizer, TokenizerError};
use crate::human::quoted;
use chrono::{DateTime, Local};
use minijinja::Environment;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of a template that are worth parsing; real ones have a few thousand.
const MAX_TEMPLATE: usize = 1 << 20;

const CHATML: &str = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n\
    {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
const PLAIN: &str = "{% for m in messages %}{{ m.role | capitalize }}: {{ m.content }}\n\n\
    {% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}";

/// Why a conversation cannot be written in the model's format.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error(transparent)]
    Gguf(#[from] GgufError),
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    #[error("the model's chat template refuses this conversation: {0}")]
    Refused(String),
    #[error("the model's chat template fails: {0}; get another file of the model")]
    Render(String),
    #[error(
        "the model's chat template makes nothing of this conversation, so that there is nothing to \
         answer; get another file of the model"
    )]
    Empty,
    #[error("stopped while the model's chat template was still at work")]
    Stopped,
}

/// A model's chat template, compiled.
pub struct ChatTemplate {
    source: String,
    env: Environment<'static>,
    bos: String,
    eos: String,
    notice: Option<String>,
    /// How it takes earlier thoughts.
    form: Form,
    /// When the conversation began: the time that the template is told, so that what was said
    /// before is written the same in every turn.
    began: Mutex<DateTime<Local>>,
    thinking: Mutex<Thinking>,
    /// The template refused a system prompt: it goes to the head of the first message.
    no_system: AtomicBool,
    /// What came up while writing, to be shown once.
    news: Mutex<Option<&'static str>>,
}

const NO_SYSTEM: &str =
    "the model's chat template takes no system prompt; it stands at the head of the first message";

impl ChatTemplate {
    /// The file's own template; where it has none or a broken one, ChatML if the vocabulary knows
    /// it, else plain text ([`ChatTemplate::notice`] says so).
    pub fn from_gguf(file: &GgufFile, tokenizer: &Tokenizer) -> Result<Self, TemplateError> {
        let own = file
            .get_str("tokenizer.chat_template")?
            .filter(|t| !t.trim().is_empty());
        let chatml = tokenizer.token_id("<|im_start|>").is_some();
        let fallback = if chatml { CHATML } else { PLAIN };
        let name = if chatml { "ChatML" } else { "plain text" };
        let (source, mut notice) = match own {
            Some(own) if own.len() <= MAX_TEMPLATE => (own, None),
            Some(_) => (
                fallback,
                Some(format!(
                    "the model's chat template is too long; {name} is used"
                )),
            ),
            None => (
                fallback,
                Some(format!("the model has no chat template; {name} is used")),
            ),
        };
        let (source, env) = match compile(source) {
            Ok(env) => (source, env),
            Err(error) => {
                let error = quoted(&error.to_string().escape_debug().to_string());
                notice = Some(format!(
                    "the model's chat template is broken ({error}); {name} is used"
                ));
                let env = compile(fallback).map_err(|e| TemplateError::Render(e.to_string()))?;
                (fallback, env)
            }
        };
        let token = |id: Option<u32>| id.and_then(|id| tokenizer.token(id)).unwrap_or_default();
        let (bos, eos) = (
            token(tokenizer.bos()).to_owned(),
            token(tokenizer.eos()).to_owned(),
        );
        Ok(ChatTemplate {
            source: source.to_owned(),
            env,
            bos,
            eos,
            notice,
            form: Form::of(source),
            began: Mutex::new(Local::now()),
            thinking: Mutex::default(),
            no_system: AtomicBool::new(false),
            news: Mutex::default(),
        })
    }

    /// A conversation begins: from now on templates are told this time.
    pub fn begin(&self) {
        self.began_at(Local::now());
    }

    /// The conversation began then: brought back, it reads as it did.
    pub fn began_at(&self, moment: DateTime<Local>) {
        *lock(&self.began) = moment;
    }

    /// Why the model's own template is not in use, to be shown once.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// What it lets a person say about thinking.
    pub fn knows(&self) -> Knows {
        Knows::of(&self.source)
    }

    /// What the template is told about thinking from now on.
    pub fn set_thinking(&self, thinking: Thinking) {
        *lock(&self.thinking) = thinking;
    }

    /// What came up since this was last asked, to be shown.
    pub fn take_news(&self) -> Option<&'static str> {
        lock(&self.news).take()
    }

    /// The conversation as one text; with `add_generation_prompt` it ends where the answer begins.
    ///
    /// # Errors
    /// When the template refuses the conversation (of a system prompt only its role, see
    /// [`ChatTemplate::take_news`]) or fails.
    pub fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<String, TemplateError> {
        let told = messages.iter().map(|m| self.form.tell(m, str::to_owned));
        self.render_told(told.collect(), add_generation_prompt, &|| false)
    }

    fn render_told(
        &self,
        messages: Vec<Told>,
        add_generation_prompt: bool,
        stopped: &dyn Fn() -> bool,
    ) -> Result<String, TemplateError> {
        let system = messages.first().is_some_and(|m| m.role == Role::System);
        if system && self.no_system.load(Ordering::Relaxed) {
            return self.render_as_is(without_system(&messages), add_generation_prompt, stopped);
        }
        if !system {
            return self.render_as_is(messages, add_generation_prompt, stopped);
        }
        let refused = match self.render_as_is(messages.clone(), add_generation_prompt, stopped) {
            Err(error @ TemplateError::Refused(_)) => error,
            rendered => return rendered,
        };
        match self.render_as_is(without_system(&messages), add_generation_prompt, stopped) {
            Err(error @ TemplateError::Stopped) => Err(error),
            Ok(text) => {
                self.no_system.store(true, Ordering::Relaxed);
                *lock(&self.news) = Some(NO_SYSTEM);
                Ok(text)
            }
            // It was not the role.
            Err(_) => Err(refused),
        }
    }

    fn render_as_is(
        &self,
        messages: Vec<Told>,
        add_generation_prompt: bool,
        stopped: &dyn Fn() -> bool,
    ) -> Result<String, TemplateError> {
        let job = Job {
            source: &self.source,
            messages,
            add_generation_prompt,
            bos: &self.bos,
            eos: &self.eos,
            began: lock(&self.began).to_rfc3339(),
            thinking: *lock(&self.thinking),
        };
        let rendered = job.render(&self.env, stopped);
        rendered.map_err(|failure| match failure {
            Failure::Refused(why) => TemplateError::Refused(why),
            Failure::Failed(why) => TemplateError::Render(why),
            Failure::Stopped => TemplateError::Stopped,
        })
    }

    /// The conversation as token ids, one at least. Control tokens written inside messages stay
    /// characters, so that no document can end its message.
    ///
    /// # Errors
    /// As [`ChatTemplate::render`], and where nothing comes of it.
    pub fn encode_chat(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<Vec<u32>, TemplateError> {
        self.encode_chat_until(tokenizer, messages, add_generation_prompt, &|| false)
    }

    /// The same, given up as soon as `stopped` holds: what a template does may take its time.
    ///
    /// # Errors
    /// As [`ChatTemplate::encode_chat`], and [`TemplateError::Stopped`].
    pub fn encode_chat_until(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        add_generation_prompt: bool,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Vec<u32>, TemplateError> {
        // Of what is told: without its thoughts an answer may have a token that stood apart.
        let texts = RefCell::new(Vec::new());
        for message in messages {
            self.form.tell(message, |text| {
                texts.borrow_mut().push(text.to_owned());
                String::new()
            });
        }
        let masks = Masks::new(tokenizer, &texts.into_inner(), stopped);
        let masks = masks.ok_or(TemplateError::Stopped)?;
        let told = messages
            .iter()
            .map(|m| self.form.tell(m, |text| masks.mask(text)));
        let text = self.render_told(told.collect(), add_generation_prompt, stopped)?;
        let mut ids = tokenizer.encode_segments(&masks.parts(&text))?;
        if text.trim().is_empty() || ids.is_empty() {
            return Err(TemplateError::Empty);
        }
        if let Some(bos) = tokenizer.bos()
            && tokenizer.add_bos()
            && ids.first() != Some(&bos)
        {
            ids.insert(0, bos);
        }
        Ok(ids)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The system prompt, which is the first message, at the head of what follows it.
fn without_system(messages: &[Told]) -> Vec<Told> {
    let mut rest = messages.to_vec();
    let system = rest.remove(0);
    match rest.first_mut() {
        Some(first) if first.role == Role::User => {
            first.content = format!("{}\n\n{}", system.content, first.content);
        }
        _ => rest.insert(
            0,
            Told {
                role: Role::User,
                ..system
            },
        ),
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::message::Role;

    fn with(source: &str) -> ChatTemplate {
        let env = compile(source).unwrap();
        ChatTemplate {
            source: source.into(),
            env,
            bos: "<s>".into(),
            eos: "</s>".into(),
            notice: None,
            form: Form::of(source),
            began: Mutex::new(Local::now()),
            thinking: Mutex::default(),
            no_system: AtomicBool::new(false),
            news: Mutex::default(),
        }
    }

    /// What was said before is written the same in every turn, or all of it would be read again.
    #[test]
    fn the_clock_stands_still_in_a_conversation() {
        let template = with("{{ strftime_now('%s.%f') }}");
        let first = template.render(&[], true).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert_eq!(template.render(&[], true).unwrap(), first);
        template.begin();
        assert_ne!(template.render(&[], true).unwrap(), first);
    }

    fn render(source: &str) -> Result<String, TemplateError> {
        let messages = [
            Message {
                role: Role::System,
                content: " be kind ".into(),
            },
            Message {
                role: Role::User,
                content: "a \"b\" <c>".into(),
            },
        ];
        with(source).render(&messages, true)
    }

    #[test]
    fn templates_use_what_hugging_face_offers() {
        assert_eq!(
            render("{{ messages[0].content.strip().title() }}").unwrap(),
            "Be Kind"
        );
        assert_eq!(
            render("{{ messages[1]['content'] | tojson }}").unwrap(),
            r#""a \"b\" <c>""#
        );
        assert_eq!(
            render("{{ bos_token }}{% if true %}\n  x\n{% endif %}").unwrap(),
            "<s>  x\n"
        );
        assert_eq!(render("{{ strftime_now('%Y') | length }}").unwrap(), "4");
        let source = "{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}\
            {{ m.role }}{% break %}{% endfor %}";
        assert_eq!(render(source).unwrap(), "user");
    }

    #[test]
    fn a_refusal_is_told_from_a_failure_and_nothing_runs_for_ever() {
        let refused = render("{{ raise_exception('no system role') }}").unwrap_err();
        assert!(matches!(&refused, TemplateError::Refused(why) if why.contains("no system role")));
        let endless = "{% for a in range(99999) %}{% for b in range(99999) %}{{ b }}{% endfor %}\
            {% endfor %}";
        assert!(matches!(render(endless), Err(TemplateError::Render(_))));
        assert!(render("{{ 'x' * 100000000000 }}").is_err());
        assert!(render("{{ strftime_now('%Q%!') }}").is_err());
    }

    #[test]
    fn a_system_prompt_that_is_refused_heads_the_first_message_and_that_is_said_once() {
        let source = "{% for m in messages %}{% if m.role == 'system' %}\
            {{ raise_exception('System role not supported') }}{% endif %}\
            <{{ m.role }}>{{ m.content }}{% endfor %}";
        let template = with(source);
        let message = |role, content: &str| Message {
            role,
            content: content.into(),
        };
        let system = message(Role::System, "Be brief.");
        let messages = [system.clone(), message(Role::User, "Hi")];
        for _ in 0..2 {
            let text = template.render(&messages, true).unwrap();
            assert_eq!(text, "<user>Be brief.\n\nHi");
        }
        assert!(template.take_news().unwrap().contains("no system prompt"));
        template.render(&messages, true).unwrap();
        assert_eq!(template.take_news(), None);
        assert_eq!(template.render(&[system], true).unwrap(), "<user>Be brief.");
        // Where something else is refused, that is the reason.
        let other = with("{{ raise_exception('no ' ~ messages[0].role) }}");
        let refused = other.render(&messages, true).unwrap_err().to_string();
        assert!(refused.ends_with("no system"), "{refused}");
        assert_eq!(other.take_news(), None);
    }
}
