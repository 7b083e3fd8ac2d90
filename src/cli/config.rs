//! `cachat config`: where the settings come from and what they are.

use std::io::Write;

use clap::Args;

use super::CliError;
use super::args::{EvictionArgs, ModelArgs, SamplingArgs, config_file, settings};
use super::safe::name;
use crate::config::{self, ConfigFile};
use crate::dirs::Dirs;
use crate::unseen::toml_string;

#[derive(Args, Clone, Debug, Default)]
pub struct ConfigArgs {
    /// Write config.toml with every setting explained; an existing file is left as it is
    #[arg(long)]
    pub init: bool,

    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub eviction: EvictionArgs,

    #[command(flatten)]
    pub sampling: SamplingArgs,
}

/// Writes the file or prints the settings in force.
pub fn run(args: ConfigArgs, dirs: &Dirs) -> Result<(), CliError> {
    let file = config_file(dirs, &args.model);
    let (ConfigFile::Named(path) | ConfigFile::Usual(path)) = &file;
    let mut out = std::io::stdout().lock();
    if args.init {
        config::init(path)?;
        writeln!(out, "wrote {}", name(&path.to_string_lossy()))?;
        return Ok(());
    }
    let set = settings(
        dirs,
        &args.model,
        Some(&args.eviction),
        Some(&args.sampling),
        None,
    )?;
    let state = if path.exists() {
        ""
    } else {
        "  (not there; `cachat config --init` writes it)"
    };
    writeln!(out, "# settings  {}{state}", name(&path.to_string_lossy()))?;
    writeln!(out, "# models    {}", name(&dirs.models.to_string_lossy()))?;
    writeln!(
        out,
        "# sessions  {}",
        name(&dirs.sessions.to_string_lossy())
    )?;
    writeln!(out, "# archive   {}", name(&dirs.archive.to_string_lossy()))?;
    writeln!(out, "# themes    {}", name(&dirs.themes.to_string_lossy()))?;
    writeln!(out, "# logs      {}", name(&dirs.logs.to_string_lossy()))?;
    writeln!(out, "model = {}", toml_string(&set.model.to_string()))?;
    writeln!(out, "device = \"{}\"", set.device)?;
    writeln!(out, "threads = {}", set.threads.unwrap_or(0))?;
    writeln!(out, "kv-dtype = \"{}\"", set.kv_dtype)?;
    writeln!(out, "exact = {}", set.exact)?;
    writeln!(out, "policy = \"{}\"", set.policy)?;
    writeln!(out, "budget = {}", budget(&set))?;
    writeln!(out, "window = {}", set.window)?;
    writeln!(out, "kernel = {}", set.kernel)?;
    writeln!(out, "alpha = {}", set.alpha)?;
    writeln!(out, "slack = {}", set.slack)?;
    writeln!(out, "archive = \"{}\"", set.archive)?;
    writeln!(out, "archive-limit = \"{}\"", set.archive_limit)?;
    writeln!(out, "draft = \"{}\"", set.draft)?;
    writeln!(
        out,
        "system = {}",
        toml_string(set.system.as_deref().unwrap_or(""))
    )?;
    let theme = set.theme.as_deref().unwrap_or("auto");
    writeln!(out, "theme = {}", toml_string(theme))?;
    writeln!(out, "mouse = {}", set.mouse)?;
    let sampling = set.sampling.in_force();
    writeln!(out, "\n[sampling]")?;
    writeln!(out, "temperature = {}", sampling.temperature)?;
    writeln!(out, "top-p = {}", sampling.top_p)?;
    writeln!(out, "top-k = {}", sampling.top_k)?;
    writeln!(out, "min-p = {}", sampling.min_p)?;
    writeln!(out, "repeat-penalty = {}", sampling.repeat_penalty)?;
    writeln!(out, "repeat-last-n = {}", sampling.repeat_last_n)?;
    writeln!(out, "seed = {}", sampling.seed)?;
    writeln!(out, "max-tokens = {}", sampling.max_tokens)?;
    writeln!(out, "think-tokens = {}", sampling.think_tokens)?;
    let thinking = sampling.thinking;
    writeln!(out, "enable-thinking = \"{}\"", thinking.enable.name())?;
    writeln!(out, "reasoning-effort = \"{}\"", thinking.effort.name())?;
    Ok(())
}

fn budget(settings: &config::Settings) -> String {
    match settings.budget {
        crate::policy::budget::Budget::Tokens(entries) => entries.to_string(),
        other => format!("\"{other}\""),
    }
}
