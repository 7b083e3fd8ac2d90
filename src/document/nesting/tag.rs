//! Tags and comments of a page, told apart as a parser does it.

/// A tag's name, empty of what is no tag, and whether it ends its element.
pub fn named(tag: &str) -> (String, bool) {
    let inside = tag.strip_prefix('<').unwrap_or_default();
    let (inside, ends) = match inside.strip_prefix('/') {
        Some(inside) => (inside, true),
        None => (inside, false),
    };
    let name = match inside.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => &inside[..name_len(inside.as_bytes())],
        false => "",
    };
    (name.to_ascii_lowercase(), ends)
}

fn name_len(bytes: &[u8]) -> usize {
    let ends = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'/' | b'>');
    bytes.iter().position(ends).unwrap_or(bytes.len())
}

/// Where the end tag of this name begins.
pub fn end_of(name: &str, text: &str) -> Option<usize> {
    let mut all = text.match_indices("</").map(|(at, _)| at);
    all.find(|at| named(&text[*at..]).0 == name)
}

/// Bytes of the tag or comment that `text` begins with; one where `<` is a letter like others.
pub fn length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphabetic);
    match bytes.get(1) {
        Some(b'/') if letter(2) => tag_length(bytes, 2),
        Some(_) if letter(1) => tag_length(bytes, 1),
        Some(b'!' | b'/' | b'?') => {
            let comment = text.starts_with("<!--");
            let mut ends = text.match_indices('>').map(|(at, _)| at);
            let end = ends.find(|at| {
                let before = &text[..*at];
                !comment || before.ends_with("--") || before.ends_with("--!")
            });
            end.map_or(text.len(), |at| at + 1)
        }
        _ => 1,
    }
}

/// Where one is in a tag.
enum At {
    Between,
    Name,
    BehindName,
    BeforeValue,
    Value,
}

/// The same of a tag whose name begins at `name`. What is between the quotes of a value does not end it.
fn tag_length(bytes: &[u8], name: usize) -> usize {
    let mut state = At::Between;
    let mut at = name + name_len(&bytes[name..]);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        let blank = byte.is_ascii_whitespace();
        state = match (state, byte) {
            (_, b'>') => return at,
            (At::BeforeValue, b'"' | b'\'') => {
                let quoted = bytes[at..].iter().position(|other| *other == byte);
                at = quoted.map_or(bytes.len(), |end| at + end + 1);
                At::Between
            }
            (At::BeforeValue, _) if blank => At::BeforeValue,
            (At::BeforeValue, _) => At::Value,
            (At::Value, _) if !blank => At::Value,
            (At::Name | At::BehindName, b'=') => At::BeforeValue,
            (At::Name | At::BehindName, _) if blank => At::BehindName,
            (_, b'/') => At::Between,
            _ if blank => At::Between,
            _ => At::Name,
        };
    }
    bytes.len()
}
