//! What the state asks of the world, and what the world tells it.

use std::path::PathBuf;

use crossterm::event::{KeyEvent, MouseEvent};

use super::listing::Listing;
use crate::document::{Document, DocumentError};
use crate::engine::catalogue::Catalogue;
use crate::engine::event::{CachePicture, Command, Event};
use crate::saved::{Record, SavedConversation};
use crate::tui::conversation::Level;

/// Something happened.
#[derive(Debug)]
pub enum Input {
    Key(KeyEvent),
    /// Pasted text, also one recognised by its timing.
    Paste(String),
    Mouse(MouseEvent),
    Resize(u16, u16),
    Engine(Event),
    Picture(CachePicture),
    /// The engine's channel is closed.
    EngineGone,
    /// What the engine of [`Effect::Model`] says, until it is switched to; `None`: it ended.
    Coming(Option<Box<Event>>),
    /// The answer to [`Effect::Read`].
    Read(Box<Result<Document, DocumentError>>),
    /// The answer to [`Effect::Save`]: where it went, or why not.
    Saved(Result<PathBuf, String>),
    /// The answer to [`Effect::Sessions`]: names, each with a word on it.
    Sessions(Vec<(String, String)>),
    /// The answer to [`Effect::Models`].
    Models(Box<Catalogue>),
    /// The answer to [`Effect::Open`]: its name and what was said.
    Opened(Result<(String, SavedConversation), String>),
    /// The answer to [`Effect::List`].
    Listed(Listing),
    /// The answer to [`Effect::Mention`].
    Mentioned {
        path: String,
        document: Box<Result<Document, DocumentError>>,
    },
    /// The answer to [`Effect::Drop`], with the text that was pasted.
    Dropped {
        text: String,
        document: Box<Result<Document, DocumentError>>,
    },
    /// The answer to [`Effect::Editor`].
    Edited(Result<String, String>),
    /// Why what was said is not saved yet; `None` once it is.
    NotSaved(Option<String>),
    /// Something of the world's own, for a moment.
    Said(Level, String),
    /// Nothing but time; see [`super::State::wake`].
    Tick,
}

/// Something to be done by the driver, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Engine(Command),
    /// End the running turn.
    Stop,
    /// Read a document in the background.
    Read(PathBuf),
    /// Write a file; never over one that exists.
    Save {
        path: PathBuf,
        text: String,
    },
    /// Names in a folder that begin as this path does.
    List(String),
    /// Read a document that a message mentions.
    Mention(String),
    /// Read a document whose path was pasted; else the text is a paste.
    Drop {
        path: PathBuf,
        text: String,
    },
    /// To the clipboard, the terminal's and the system's.
    Copy(String),
    /// Edit a text with the user's editor.
    Editor(String),
    /// Write down what was said.
    Record(Record),
    /// Another conversation begins, with this already said.
    NewSession(Vec<Record>),
    /// List the earlier conversations.
    Sessions,
    /// List the models that can be had.
    Models,
    /// Go on with an earlier conversation.
    Open(String),
    /// Start an engine with another model beside the one that runs, in place of one that is on its
    /// way.
    Model(String),
    /// That engine is the one from now on.
    Switch,
    /// Let the terminal take the mouse or give it back.
    Mouse(bool),
    Suspend,
    /// Draw everything anew.
    Redraw,
    Quit,
}
