//! How documents and the question become one message.

use super::Document;

/// One document under its name, and where it ends.
pub fn framed(name: &str, text: &str) -> String {
    format!("[{name}]\n{}\n[end of {name}]", text.trim_end())
}

/// The documents first, each under its name, and the question last: what comes last decides what
/// eviction keeps, and models answer best when the question stands next to the answer.
pub fn compose(documents: &[Document], question: &str) -> String {
    let mut text = String::new();
    for document in documents {
        text.push_str(&framed(&document.name, &document.text));
        text.push_str("\n\n");
    }
    text.push_str(question.trim());
    text.truncate(text.trim_end().len());
    text
}

/// A question as it is put together: documents and pastes stand apart from what is around them.
#[derive(Debug, Default)]
pub struct Question {
    text: String,
    /// A document or a paste ends the text.
    apart: bool,
}

impl Question {
    /// What the user typed.
    pub fn typed(&mut self, text: &str) {
        if !text.is_empty() {
            if self.apart {
                self.text.push_str("\n\n");
            }
            self.apart = false;
            self.text.push_str(text);
        }
    }

    /// A paste, or a document already [`framed`].
    pub fn attached(&mut self, text: &str) {
        if self.apart || (!self.text.is_empty() && !self.text.ends_with('\n')) {
            self.text.push_str("\n\n");
        }
        self.apart = true;
        self.text.push_str(text);
    }

    pub fn text(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::from_bytes;

    #[test]
    fn the_question_stands_last() {
        let documents = [
            from_bytes("a.txt", b"alpha\n").unwrap(),
            from_bytes("b.txt", b"beta\n").unwrap(),
        ];
        let text = compose(&documents, "Which?\n");
        assert_eq!(
            text,
            "[a.txt]\nalpha\n[end of a.txt]\n\n[b.txt]\nbeta\n[end of b.txt]\n\nWhich?"
        );
        assert_eq!(compose(&[], "Hi"), "Hi");
    }
}
