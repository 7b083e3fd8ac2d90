//! THE SCREEN. `state` (pure update) and `view` (pure drawing) over text on a grid of cells, the
//! input, the conversation, panels, themes and figures; only `driver` and
//! `terminal` touch the world.

pub mod areas;
pub mod burst;
pub mod composer;
pub mod conversation;
pub mod driver;
#[cfg(test)]
mod golden;
pub mod keyboard;
mod meta;
pub mod observed;
pub mod panel;
pub mod sessions;
pub mod state;
pub mod terminal;
pub mod text;
pub mod theme;
pub mod view;
mod world;
