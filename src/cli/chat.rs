//! `cachat`: the terminal app.

use clap::Args;

use super::CliError;
use super::args::{EvictionArgs, ModelArgs, PromptArgs, SamplingArgs, settings};
use crate::config::Settings;
use crate::dirs::Dirs;

#[derive(Args, Clone, Debug, Default)]
pub struct ChatArgs {
    /// First question, asked as soon as the model is ready
    #[arg(value_name = "PROMPT")]
    pub prompt: Option<String>,

    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub eviction: EvictionArgs,

    #[command(flatten)]
    pub conversation: PromptArgs,

    #[command(flatten)]
    pub sampling: SamplingArgs,

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
    let _settings = args.settings(dirs)?;
    Err(super::not_built_yet("chat"))
}
