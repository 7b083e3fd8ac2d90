//! Searching the conversation.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::State;

/// What is searched for, and where it was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Search {
    pub query: String,
    /// Line of the conversation.
    pub at: Option<usize>,
    /// Lines that it begins on.
    pub hits: usize,
}

impl State {
    pub(super) fn open_search(&mut self) {
        self.search = Some(Search::default());
        self.selected = None;
        self.screen.zoom = None;
    }

    /// Keys while searching; all of them.
    pub(super) fn search_key(&mut self, key: KeyEvent) {
        let Some(search) = &mut self.search else {
            return;
        };
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('f' | 'p' | 'r') if control => self.hit(true),
            KeyCode::Char('n' | 's') if control => self.hit(false),
            KeyCode::Enter | KeyCode::Up => self.hit(true),
            KeyCode::Down => self.hit(false),
            KeyCode::Char('u' | 'w') if control => {
                search.query.clear();
                self.refine();
            }
            KeyCode::Backspace => {
                search.query.pop();
                self.refine();
            }
            KeyCode::Char(c) if !control => {
                search.query.push(c);
                self.refine();
            }
            _ => {}
        }
    }

    pub(super) fn search_paste(&mut self, text: &str) {
        if let Some(search) = &mut self.search {
            let line = text.lines().next().unwrap_or_default();
            search.query.extend(line.chars().take(200));
            self.refine();
        }
    }

    /// The query changed: the newest place that still fits.
    fn refine(&mut self) {
        let theme = self.theme().clone();
        self.conversation.finish(&theme);
        if let Some(search) = &mut self.search {
            search.hits = self.conversation.count(&search.query);
            search.at = None;
        }
        self.hit(true);
    }

    fn hit(&mut self, upwards: bool) {
        let theme = self.theme().clone();
        self.conversation.finish(&theme);
        let Some(search) = &mut self.search else {
            return;
        };
        let from = match (search.at, upwards) {
            (Some(at), _) => at,
            (None, true) => usize::MAX,
            (None, false) => 0,
        };
        search.at = self.conversation.find(&search.query, from, upwards);
        if let Some(line) = search.at {
            self.conversation.scroll.show(line);
        }
    }
}
