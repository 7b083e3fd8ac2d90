//! One layer of settings, in which everything may be unsaid.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

use super::settings::Settings;
use super::values::{DeviceChoice, KvDtype, Size};
use crate::archive::Mode;
use crate::engine::drafting::Draft;
use crate::engine::event::PartialSampling;
use crate::model::source::ModelSpec;
use crate::policy::{Budget, Preset};

/// What one source (the file, or environment and flags together) says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partial {
    pub model: Option<String>,
    pub device: Option<DeviceChoice>,
    pub threads: Option<usize>,
    #[serde(rename = "kv-dtype")]
    pub kv_dtype: Option<KvDtype>,
    pub exact: Option<bool>,
    #[serde(default, deserialize_with = "policy")]
    pub policy: Option<Preset>,
    pub budget: Option<Budget>,
    pub window: Option<usize>,
    pub kernel: Option<usize>,
    pub alpha: Option<f64>,
    pub slack: Option<usize>,
    pub archive: Option<Mode>,
    #[serde(rename = "archive-limit")]
    pub archive_limit: Option<Size>,
    pub draft: Option<Draft>,
    pub system: Option<String>,
    pub theme: Option<String>,
    pub mouse: Option<bool>,
    #[serde(default)]
    pub sampling: PartialSampling,
}

/// Keys of the file's top level and of `[sampling]`; a test holds them to the structs.
pub const KEYS: [&str; 18] = [
    "model",
    "device",
    "threads",
    "kv-dtype",
    "exact",
    "policy",
    "budget",
    "window",
    "kernel",
    "alpha",
    "slack",
    "archive",
    "archive-limit",
    "draft",
    "system",
    "theme",
    "mouse",
    "sampling",
];
pub const SAMPLING_KEYS: [&str; 11] = [
    "temperature",
    "top-p",
    "top-k",
    "min-p",
    "repeat-penalty",
    "repeat-last-n",
    "seed",
    "max-tokens",
    "think-tokens",
    "enable-thinking",
    "reasoning-effort",
];

fn policy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Preset>, D::Error> {
    let name = String::deserialize(deserializer)?;
    name.parse().map(Some).map_err(serde::de::Error::custom)
}

impl Partial {
    /// Lays this source over `settings`: what is said here wins.
    pub fn apply(self, settings: &mut Settings) {
        fn put<T>(slot: &mut T, said: Option<T>) {
            if let Some(value) = said {
                *slot = value;
            }
        }
        if let Some(model) = self.model {
            settings.model = ModelSpec::parse(&model);
        }
        put(&mut settings.device, self.device);
        if let Some(threads) = self.threads {
            settings.threads = (threads > 0).then_some(threads);
        }
        put(&mut settings.kv_dtype, self.kv_dtype);
        put(&mut settings.exact, self.exact);
        put(&mut settings.policy, self.policy);
        put(&mut settings.budget, self.budget);
        put(&mut settings.window, self.window);
        put(&mut settings.kernel, self.kernel);
        put(&mut settings.alpha, self.alpha);
        put(&mut settings.slack, self.slack);
        put(&mut settings.archive, self.archive);
        put(&mut settings.archive_limit, self.archive_limit);
        put(&mut settings.draft, self.draft);
        put(&mut settings.mouse, self.mouse);
        if self.system.is_some() {
            settings.system = self.system.filter(|system| !system.trim().is_empty());
        }
        if self.theme.is_some() {
            settings.theme = self.theme.filter(|theme| theme != "auto");
        }
        settings.sampling.lay(self.sampling);
    }
}

/// Where the settings file is, and whether it must exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigFile {
    /// Named by `--config`: an error where it is missing.
    Named(PathBuf),
    /// The usual place: nothing where it is missing.
    Usual(PathBuf),
}
