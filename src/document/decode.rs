//! Bytes → text: encoding, line ends, and what is no text at all.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// The text of `bytes`, without byte order mark and with `\n` line ends; or what they are instead.
/// `declared` is what the file says of its encoding; people's files are wrong about it, but hardly
/// ever valid UTF-8 by accident.
pub fn text(bytes: &[u8], declared: Option<&'static Encoding>) -> Result<String, &'static str> {
    let decoded = match Encoding::for_bom(bytes) {
        Some((encoding, skip)) => encoding.decode_without_bom_handling(&bytes[skip..]).0,
        None => {
            let utf8 = !bytes.is_ascii() && std::str::from_utf8(bytes).is_ok();
            let encoding = match declared.filter(|_| !utf8) {
                Some(encoding) => encoding,
                None => guess(bytes)?,
            };
            encoding.decode_without_bom_handling(bytes).0
        }
    };
    if looks_binary(&decoded) {
        return Err("holds binary data");
    }
    Ok(normalise(&decoded))
}

fn guess(bytes: &[u8]) -> Result<&'static Encoding, &'static str> {
    if std::str::from_utf8(bytes).is_ok() {
        return Ok(UTF_8);
    }
    let head = &bytes[..bytes.len().min(64 * 1024)];
    if let Some(encoding) = bare_utf16(head) {
        return Ok(encoding);
    }
    if head.contains(&0) {
        return Err("holds binary data");
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    Ok(detector.guess(None, Utf8Detection::Allow))
}

/// UTF-16 without a mark shows in mostly-Latin text: every other byte is zero.
fn bare_utf16(head: &[u8]) -> Option<&'static Encoding> {
    let pairs = head.len() / 2;
    if pairs < 2 {
        return None;
    }
    let zeros = |offset: usize| {
        head.chunks_exact(2)
            .filter(|pair| pair[offset] == 0)
            .count()
    };
    let (first, second) = (zeros(0), zeros(1));
    if second * 10 > pairs * 7 && first * 20 < pairs {
        Some(UTF_16LE)
    } else if first * 10 > pairs * 7 && second * 20 < pairs {
        Some(UTF_16BE)
    } else {
        None
    }
}

/// Text has next to no control characters besides white space, and no zeros.
fn looks_binary(text: &str) -> bool {
    let mut odd = 0usize;
    let mut all = 0usize;
    for c in text.chars() {
        all += 1;
        match c {
            '\0' => return true,
            '\n' | '\r' | '\t' | '\x0c' | '\x1b' | '\x08' => {}
            c if c.is_control() || c == '\u{fffd}' => odd += 1,
            _ => {}
        }
    }
    odd * 20 > all
}

fn normalise(text: &str) -> String {
    if text.contains('\r') {
        text.replace("\r\n", "\n").replace('\r', "\n")
    } else {
        text.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{SHIFT_JIS, WINDOWS_1252};

    #[test]
    fn reads_encodings_people_have() {
        let german = "Die Kündigungsfrist beträgt dreißig Tage – über alles übrige müssen wir \
                      später reden.";
        let japanese = "この契約は、いずれの当事者も三十日前に通知することにより解除できる。";
        assert_eq!(text(german.as_bytes(), None).unwrap(), german);
        assert_eq!(text(&WINDOWS_1252.encode(german).0, None).unwrap(), german);
        assert_eq!(text(&SHIFT_JIS.encode(japanese).0, None).unwrap(), japanese);
        let with_mark = [b"\xef\xbb\xbf", german.as_bytes()].concat();
        assert_eq!(text(&with_mark, None).unwrap(), german);
        let little: Vec<u8> = german.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(text(&little, None).unwrap(), german);
        let big: Vec<u8> = german.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(
            text(&[b"\xfe\xff".to_vec(), big].concat(), None).unwrap(),
            german
        );
    }

    #[test]
    fn refuses_what_is_no_text() {
        let noise: Vec<u8> = (0..4000u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        assert_eq!(text(&noise, None), Err("holds binary data"));
        assert_eq!(text(b"a\0b", None), Err("holds binary data"));
    }
}
