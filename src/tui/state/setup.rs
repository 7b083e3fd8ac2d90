//! What the app starts with.

use std::path::PathBuf;

use super::sending::First;
use super::themes::Themes;
use super::{Effect, State, System};
use crate::engine::event::{PartialSampling, Said};
use crate::saved::SavedTurn;
use crate::tui::conversation::Level;
use crate::tui::theme::Theme;

#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The one in force first; `/theme` goes through them.
    pub themes: Vec<Theme>,
    /// What the user says of it.
    pub sampling: PartialSampling,
    pub system: Option<String>,
    pub ascii: bool,
    pub mouse: bool,
    /// Asked as soon as the model is ready and `files` are read.
    pub prompt: Option<String>,
    /// Questions that are asked behind it, one after the other.
    pub then: Vec<String>,
    /// Read before the first question.
    pub files: Vec<PathBuf>,
    /// Shown once, at the start.
    pub notices: Vec<String>,
    /// An earlier conversation to go on with.
    pub turns: Vec<SavedTurn>,
    /// When it began, RFC 3339.
    pub began: Option<String>,
    /// The folder that `~` stands for.
    pub home: Option<PathBuf>,
}

impl State {
    pub fn new(setup: Setup) -> (State, Vec<Effect>) {
        let mut state = State {
            themes: Themes::new(setup.themes),
            sampling: Said {
                yours: setup.sampling,
                ..Said::default()
            },
            system: System::new(setup.system),
            home: setup.home,
            began: setup.began,
            ..State::default()
        };
        (state.screen.ascii, state.screen.mouse) = (setup.ascii, setup.mouse);
        state.bring_back(setup.turns);
        for notice in setup.notices {
            state.note(Level::Warning, notice);
        }
        let mut effects: Vec<Effect> = setup.files.into_iter().map(Effect::Read).collect();
        state.sending.reading = effects.len();
        if let Some(prompt) = setup.prompt.filter(|p| !p.trim().is_empty()) {
            state.sending.first = Some(First {
                files: effects.len(),
                prompt,
                then: setup.then,
            });
            state.first_read(0, &mut effects);
        }
        (state, effects)
    }
}
