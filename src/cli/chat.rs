//! `cachat`: the terminal app.

use std::io::IsTerminal;
use std::sync::Arc;

use clap::Args;

use super::CliError;
use super::args::{
    ArchiveArgs, DraftArgs, EvictionArgs, ModelArgs, PromptArgs, SamplingArgs, settings,
};
use crate::config::Settings;
use crate::dirs::Dirs;
use crate::engine::catalogue::Catalogue;
use crate::engine::event::Event;
use crate::engine::worker::{self, Start};
use crate::model::source::ModelSpec;
use crate::saved::Store;
use crate::tui::driver::{self, End, Surroundings};
use crate::tui::sessions::Sessions;
use crate::tui::state::Setup;
use crate::tui::theme::{Depth, Theme};

#[derive(Args, Clone, Debug, Default)]
pub struct ChatArgs {
    /// First question, asked as soon as the model is ready
    #[arg(value_name = "PROMPT")]
    pub prompt: Option<String>,

    /// Questions that are asked behind it.
    #[arg(skip)]
    pub then: Vec<String>,

    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub eviction: EvictionArgs,

    #[command(flatten)]
    pub conversation: PromptArgs,

    #[command(flatten)]
    pub archive: ArchiveArgs,

    #[command(flatten)]
    pub draft: DraftArgs,

    #[command(flatten)]
    pub sampling: SamplingArgs,

    /// Go on with the last conversation
    #[arg(
        short = 'c',
        long = "continue",
        help_heading = "Conversation",
        conflicts_with = "resume"
    )]
    pub go_on: bool,

    /// Go on with an earlier conversation, by its name or the beginning of it
    #[arg(short, long, value_name = "NAME", help_heading = "Conversation")]
    pub resume: Option<String>,

    /// Theme by name, or auto
    #[arg(
        long,
        value_name = "NAME",
        env = "CACHAT_THEME",
        hide_env = true,
        help_heading = "App"
    )]
    pub theme: Option<String>,

    /// Leave the mouse to the terminal
    #[arg(long, help_heading = "App")]
    pub no_mouse: bool,
}

impl ChatArgs {
    /// The settings in force for the app.
    pub fn settings(&self, dirs: &Dirs) -> Result<Settings, CliError> {
        let mut settings = settings(
            dirs,
            &self.model,
            Some(&self.eviction),
            Some(&self.sampling),
            Some(&self.conversation),
        )?;
        self.archive.apply(&mut settings);
        self.draft.apply(&mut settings);
        if let Some(theme) = &self.theme {
            settings.theme = Some(theme.clone()).filter(|theme| theme != "auto");
        }
        if self.no_mouse {
            settings.mouse = false;
        }
        Ok(settings)
    }
}

/// Opens the app and returns when it is closed.
pub fn run(args: ChatArgs, dirs: &Dirs) -> Result<(), CliError> {
    let settings = args.settings(dirs)?;
    if !std::io::stdout().is_terminal() {
        return Err(CliError::usage(
            "the app needs a terminal; `cachat ask` answers without one",
        ));
    }
    let store = Store::new(&dirs.sessions);
    let resume = match args.go_on {
        true => Some(store.latest()?),
        false => args.resume.clone(),
    };
    let (turns, began, writer) = match resume {
        Some(name) => {
            let (conversation, writer) = store.open(&name)?;
            let began = conversation.header.created;
            (conversation.turns, Some(began), Some(writer))
        }
        None => (Vec::new(), None, None),
    };
    let model_name = settings.model.to_string();
    let sessions = Sessions::new(store, model_name, settings.policy.to_string(), writer);
    let start = Start {
        eviction: super::load::eviction(&settings),
        sampling: settings.sampling.clone(),
        system: settings.system.clone(),
        archiving: super::load::archiving(&settings, dirs),
        draft: settings.draft,
    };
    let (themes, notices) = themes(&settings, dirs)?;
    let setup = Setup {
        themes,
        turns,
        began,
        sampling: settings.sampling.clone(),
        system: settings.system.clone(),
        ascii: !unicode(),
        mouse: settings.mouse,
        prompt: args.prompt.clone(),
        then: args.then.clone(),
        files: args.conversation.file.clone(),
        notices,
        home: directories::UserDirs::new().map(|d| d.home_dir().to_path_buf()),
    };
    let first = settings.model.clone();
    let terms = super::load::terms(&settings);
    let home = dirs.clone();
    let starter = move |model: ModelSpec, beside: bool| {
        let mut settings = settings.clone();
        settings.model = model;
        let home = home.clone();
        let load =
            move |tell: &dyn Fn(Event)| super::load::for_engine(&settings, &home, beside, tell);
        worker::start(load, start.clone())
            .map_err(|e| format!("cannot start the engine's thread: {e}"))
    };
    let of_models = dirs.clone();
    let engine = starter(first, false).map_err(CliError::failed)?;
    super::crash::screen(true);
    let ended = driver::run(
        setup,
        Surroundings {
            engine,
            starter: Box::new(move |name, beside| starter(ModelSpec::parse(name), beside)),
            sessions,
            models: Arc::new(move || Catalogue::read(&of_models, terms)),
            report: super::crash::last_report,
        },
    );
    super::crash::screen(false);
    match ended {
        Ok(End::Left) => Ok(()),
        Ok(End::Signal) => Err(CliError::Interrupted),
        Ok(End::Unsaved(why)) => Err(CliError::failed(format!(
            "the end of the conversation could not be saved: {why}"
        ))),
        Err(error) => Err(CliError::failed(format!("the terminal failed: {error}"))),
    }
}

/// All themes, the one in force first, and what is wrong with the user's own.
fn themes(settings: &Settings, dirs: &Dirs) -> Result<(Vec<Theme>, Vec<String>), CliError> {
    let depth = Depth::detect(|name| std::env::var(name).ok());
    let (mut themes, errors) = Theme::load_dir(&dirs.themes, depth);
    themes.extend(Theme::names().filter_map(|name| Theme::built_in(name, depth)));
    let name = match &settings.theme {
        Some(name) => {
            Theme::find(name, &dirs.themes, depth).map_err(|e| CliError::usage(e.to_string()))?;
            name.as_str()
        }
        None if depth == Depth::Ansi16 => "terminal",
        None if light() => "cachat-light",
        None => "cachat-dark",
    };
    if let Some(at) = themes.iter().position(|t| t.name == name) {
        themes[..=at].rotate_right(1);
    }
    Ok((themes, errors))
}

/// Whether the terminal's background is light; dark where it does not say within a moment.
fn light() -> bool {
    use terminal_colorsaurus::{QueryOptions, ThemeMode, theme_mode};
    let mut options = QueryOptions::default();
    options.timeout = std::time::Duration::from_millis(60);
    matches!(theme_mode(options), Ok(ThemeMode::Light))
}

/// Whether the terminal shows more than ASCII: the locale says so, and without one most do.
fn unicode() -> bool {
    let said = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    said.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase().replace('-', "");
        locale.contains("utf8")
    })
}
