//! What a chat template is told about thinking before an answer.

use serde::{Deserialize, Serialize};

/// Both as the model's makers meant them where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thinking {
    pub enable: Enable,
    pub effort: Effort,
}

/// The template's `enable_thinking`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Enable {
    /// Not said.
    #[default]
    Auto,
    On,
    Off,
}

/// The template's `reasoning_effort`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// Not said.
    #[default]
    Auto,
    Low,
    Medium,
    High,
}

impl Enable {
    /// `None` where the template decides.
    pub fn said(self) -> Option<bool> {
        match self {
            Enable::Auto => None,
            Enable::On => Some(true),
            Enable::Off => Some(false),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Enable::Auto => "auto",
            Enable::On => "on",
            Enable::Off => "off",
        }
    }
}

impl Effort {
    /// `None` where the template decides.
    pub fn said(self) -> Option<&'static str> {
        Some(self.name()).filter(|_| self != Effort::Auto)
    }

    pub fn name(self) -> &'static str {
        match self {
            Effort::Auto => "auto",
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
        }
    }
}
