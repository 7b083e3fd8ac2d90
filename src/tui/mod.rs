//! THE SCREEN: the parts below the views. Text on a grid of cells, the input, the conversation,
//! slash commands, themes and figures; all pure, no terminal and no engine needed.

pub mod command;
pub mod composer;
pub mod conversation;
pub mod human;
pub mod text;
pub mod theme;
