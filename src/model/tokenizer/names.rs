//! The tokens as the vocabulary writes them, one behind the other: a string for each would take five times as
//! much memory.

/// All tokens, by id.
pub struct Names {
    text: Box<str>,
    /// Where each ends.
    ends: Box<[u32]>,
}

impl Names {
    /// # Panics
    /// Beyond 4 GiB, which no header has (see `model/gguf/header.rs`).
    pub fn new(tokens: &[&str]) -> Names {
        let text = tokens.concat();
        assert!(u32::try_from(text.len()).is_ok(), "a vocabulary of 4 GiB");
        let mut end = 0;
        let ends = tokens.iter().map(|token| {
            end += token.len() as u32;
            end
        });
        Names {
            ends: ends.collect(),
            text: text.into(),
        }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn get(&self, id: usize) -> Option<&str> {
        let end = *self.ends.get(id)? as usize;
        let begin = id
            .checked_sub(1)
            .map_or(0, |before| self.ends[before] as usize);
        Some(&self.text[begin..end])
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|id| self.get(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_by_their_ids() {
        let tokens = ["a", "", "bc", "ä€", ""];
        let names = Names::new(&tokens);
        assert_eq!(names.len(), 5);
        assert_eq!(names.iter().collect::<Vec<_>>(), tokens);
        assert_eq!((names.get(3), names.get(5)), (Some("ä€"), None));
        assert_eq!(Names::new(&[]).get(0), None);
    }
}
