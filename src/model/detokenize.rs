//! Token ids → text while they come, never half a character.

use super::tokenizer::Tokenizer;

/// Holds back the bytes of a character that is not complete yet.
pub struct Detokenizer<'a> {
    tokenizer: &'a Tokenizer,
    decoder: Utf8Stream,
}

impl<'a> Detokenizer<'a> {
    pub fn new(tokenizer: &'a Tokenizer) -> Self {
        Detokenizer::resume(tokenizer, Utf8Stream::default())
    }

    /// Goes on where another one was cut off.
    pub fn resume(tokenizer: &'a Tokenizer, held: Utf8Stream) -> Self {
        Detokenizer {
            tokenizer,
            decoder: held,
        }
    }

    /// What is held back, for [`Detokenizer::resume`].
    pub fn into_held(self) -> Utf8Stream {
        self.decoder
    }

    /// The text that `id` completes, if any. Control tokens give none.
    pub fn push(&mut self, id: u32) -> Option<String> {
        if self.tokenizer.is_control(id) {
            return None;
        }
        Some(self.decoder.push(&self.tokenizer.token_bytes(id))).filter(|text| !text.is_empty())
    }

    /// What was held back, as U+FFFD if it is no character.
    pub fn finish(&mut self) -> Option<String> {
        Some(self.decoder.finish()).filter(|text| !text.is_empty())
    }
}

/// Bytes → text in pieces, as `String::from_utf8_lossy` makes it of the whole.
#[derive(Debug, Default)]
pub struct Utf8Stream {
    /// The beginning of a character: at most three bytes between calls.
    held: Vec<u8>,
}

impl Utf8Stream {
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.held.extend_from_slice(bytes);
        let mut out = String::new();
        let mut from = 0;
        loop {
            match std::str::from_utf8(&self.held[from..]) {
                Ok(text) => {
                    out.push_str(text);
                    from = self.held.len();
                    break;
                }
                Err(error) => {
                    let valid = from + error.valid_up_to();
                    out.push_str(&String::from_utf8_lossy(&self.held[from..valid]));
                    from = valid;
                    // No length: what follows may still become a character.
                    let Some(wrong) = error.error_len() else {
                        break;
                    };
                    out.push(char::REPLACEMENT_CHARACTER);
                    from += wrong;
                }
            }
        }
        self.held.drain(..from);
        out
    }

    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.held)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_character_in_pieces_comes_whole_and_rubbish_at_once() {
        let mut stream = Utf8Stream::default();
        let pieces: Vec<String> = [&b"a\xe2"[..], b"\x82", b"\xac!", b"\xff", b"\xe2x"]
            .iter()
            .map(|bytes| stream.push(bytes))
            .collect();
        assert_eq!(pieces, ["a", "", "€!", "\u{fffd}", "\u{fffd}x"]);
        assert_eq!(stream.finish(), "");
    }

    proptest! {
        #[test]
        fn pieces_make_the_same_text_as_the_whole(
            pieces in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..5),
                    "[aé€😀]{0,3}".prop_map(String::into_bytes),
                    Just(vec![0xf0, 0x9f]),
                    Just(vec![0x98, 0x80]),
                ],
                0..20,
            )
        ) {
            let mut stream = Utf8Stream::default();
            let mut text = String::new();
            for piece in &pieces {
                text += &stream.push(piece);
            }
            text += &stream.finish();
            prop_assert_eq!(text, String::from_utf8_lossy(&pieces.concat()).into_owned());
        }
    }
}
