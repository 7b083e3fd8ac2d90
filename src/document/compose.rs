//! How documents and the question become one message.

use super::Document;

/// One document under its name, and where it ends.
pub fn framed(name: &str, text: &str) -> String {
    format!("[{name}]\n{}\n[end of {name}]", text.trim_end())
}

/// The documents first, each under its name, and the question last: what comes last decides what
/// eviction keeps, and models answer best when the question stands next to the answer.
pub fn compose(documents: &[Document], question: &str) -> String {
    let mut message = Question::default();
    for document in documents {
        let name = &document.name;
        message.document(name, &framed(name, &document.text));
    }
    message.typed(question.trim());
    message.text()
}

/// A question as it is put together: documents and pastes stand apart from what is around them.
///
/// What is attached comes first, wherever it was put: the same document is then the same beginning of
/// another conversation, and need not be read again for it.
#[derive(Debug, Default)]
pub struct Question {
    attached: Vec<String>,
    typed: Vec<String>,
    /// A document or a paste stood last.
    apart: bool,
}

impl Question {
    /// What the user typed.
    pub fn typed(&mut self, text: &str) {
        if !text.trim().is_empty() || (!self.apart && !text.is_empty()) {
            match self.typed.last_mut().filter(|_| !self.apart) {
                Some(last) => last.push_str(text),
                None => self.typed.push(text.to_owned()),
            }
            self.apart = false;
        }
    }

    /// A paste, or a document already [`framed`].
    pub fn attached(&mut self, text: &str) {
        self.attached.push(text.to_owned());
        self.apart = true;
    }

    /// A document, already [`framed`]; in the midst of what is typed its name stays.
    pub fn document(&mut self, name: &str, text: &str) {
        self.attached.push(text.to_owned());
        match self.typed.last_mut().filter(|_| !self.apart) {
            Some(typed) if !typed.trim().is_empty() && !typed.ends_with('\n') => {
                typed.push_str(&format!("[{name}]"));
            }
            _ => self.apart = true,
        }
    }

    pub fn text(self) -> String {
        if self.attached.is_empty() {
            return self.typed.concat();
        }
        let typed = self.typed.iter().map(|part| part.trim().to_owned());
        self.attached
            .into_iter()
            .chain(typed)
            .collect::<Vec<_>>()
            .join("\n\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::from_bytes;

    #[test]
    fn what_is_attached_comes_first_and_leaves_its_name() {
        let mut question = Question::default();
        question.typed("compare ");
        question.document("a.txt", "A");
        question.typed(" with ");
        question.document("b.txt", "B");
        question.attached("pasted");
        question.typed("\nbriefly");
        assert_eq!(
            question.text(),
            "A\n\nB\n\npasted\n\ncompare [a.txt] with [b.txt]\n\nbriefly"
        );
        let mut question = Question::default();
        question.document("a.txt", "A");
        question.typed(" what is it?");
        assert_eq!(question.text(), "A\n\nwhat is it?");
        let mut plain = Question::default();
        "  as it is\n"
            .chars()
            .for_each(|c| plain.typed(&c.to_string()));
        assert_eq!(plain.text(), "  as it is\n");
    }

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
