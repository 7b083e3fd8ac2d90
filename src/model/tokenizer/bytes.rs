//! GPT-2's alphabet: each byte has a printable character, in which byte-level vocabularies are
//! written.

use std::sync::LazyLock;

static CHARS: LazyLock<[char; 256]> = LazyLock::new(|| {
    let plain = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut next = 256;
    std::array::from_fn(|b| {
        let b = b as u8;
        if plain(b) {
            return char::from(b);
        }
        next += 1;
        char::from_u32(next - 1).unwrap_or(char::REPLACEMENT_CHARACTER)
    })
});

/// The character that stands for `byte`.
pub fn to_char(byte: u8) -> char {
    CHARS[usize::from(byte)]
}

/// The byte that `c` stands for; `None` for characters outside the alphabet.
pub fn to_byte(c: char) -> Option<u8> {
    match c as u32 {
        code @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => Some(code as u8),
        code @ 256..=323 => CHARS
            .iter()
            .position(|c| *c as u32 == code)
            .map(|b| b as u8),
        _ => None,
    }
}

/// The bytes of a token as the vocabulary writes it. A character outside the alphabet stands for
/// itself.
pub fn decode(token: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(token.len());
    for c in token.chars() {
        match to_byte(c) {
            Some(byte) => out.push(byte),
            None => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out
}
