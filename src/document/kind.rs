//! What a file is: by its content first, by its name where the content leaves it open.

/// What can be made into text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Html,
    Pdf,
}

/// First bytes of files that are often given by mistake, and what to say of them.
const MAGIC: [(&[u8], &str); 11] = [
    (b"GGUF", "is a model file"),
    (b"\x89PNG", "is a PNG image"),
    (b"\xff\xd8\xff", "is a JPEG image"),
    (b"GIF8", "is a GIF image"),
    (b"\x7fELF", "is a program"),
    (b"MZ\x90", "is a program"),
    (b"\x1f\x8b", "is compressed (gzip); unpack it first"),
    (b"BZh", "is compressed (bzip2); unpack it first"),
    (b"\x28\xb5\x2f\xfd", "is compressed (zstd); unpack it first"),
    (
        b"\xd0\xcf\x11\xe0",
        "is an old office document; save it as PDF or as plain text first",
    ),
    (
        b"{\\rtf",
        "is an RTF document; save it as PDF or as plain text first",
    ),
];

/// Zip files by what they hold.
const ZIPPED: [(&[u8], &str); 5] = [
    (
        b"word/",
        "is a Word document; save it as PDF or as plain text first",
    ),
    (b"xl/", "is an Excel workbook; save its sheet as CSV first"),
    (
        b"ppt/",
        "is a PowerPoint presentation; save it as PDF first",
    ),
    (
        b"application/vnd.oasis.opendocument",
        "is an OpenDocument file; save it as PDF or as plain text first",
    ),
    (
        b"application/epub+zip",
        "is an EPUB book; convert it to HTML or plain text first",
    ),
];

/// Names of files that hold pieces of HTML but are source code.
const SOURCE: [&str; 16] = [
    "php", "vue", "svelte", "erb", "ejs", "hbs", "jsp", "asp", "aspx", "j2", "jinja", "tmpl",
    "tpl", "md", "markdown", "js",
];

/// The kind of these bytes, or what they are instead.
///
/// # Errors
/// What cannot become text: the words complete "it …".
pub fn of(name: &str, bytes: &[u8]) -> Result<Kind, &'static str> {
    let head = &bytes[..bytes.len().min(1024)];
    if is_pdf(name, head) {
        return Ok(Kind::Pdf);
    }
    if bytes.starts_with(b"PK\x03\x04") {
        let head = &bytes[..bytes.len().min(64 * 1024)];
        let found = ZIPPED.iter().find(|(inside, _)| contains(head, inside));
        return Err(found.map_or("is a zip archive; unpack it first", |(_, what)| what));
    }
    if let Some((_, what)) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Err(what);
    }
    let ending = name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase());
    let ending = ending.as_deref().unwrap_or_default();
    Ok(match ending {
        "html" | "htm" | "xhtml" => Kind::Html,
        source if SOURCE.contains(&source) => Kind::Text,
        _ if begins_as_html(head) => Kind::Html,
        _ => Kind::Text,
    })
}

/// The marker at the beginning. Readers take it further in too, behind what a mail or a disk put
/// before it; but a text may speak of it.
fn is_pdf(name: &str, head: &[u8]) -> bool {
    const MARKER: &[u8] = b"%PDF-";
    let start = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    if start.trim_ascii_start().starts_with(MARKER) {
        return true;
    }
    let named = name.to_ascii_lowercase().ends_with(".pdf");
    // The head may end within a character.
    let text = std::str::from_utf8(head).map_or_else(|e| e.error_len().is_none(), |_| true)
        && !head.contains(&0);
    (named || !text) && contains(head, MARKER)
}

/// The first thing is a doctype or a root element of HTML, in any encoding whose letters are ASCII's
/// (zeros of UTF-16 are passed over).
fn begins_as_html(head: &[u8]) -> bool {
    let head: String = head
        .iter()
        .filter(|b| b.is_ascii() && **b != 0)
        .map(|b| b.to_ascii_lowercase() as char)
        .collect();
    let mut rest = head.trim_start();
    loop {
        // An XML declaration or a comment may stand before it.
        let end = match rest {
            r if r.starts_with("<?xml") => r.find("?>").map(|at| at + 2),
            r if r.starts_with("<!--") => r.find("-->").map(|at| at + 3),
            _ => None,
        };
        match end {
            Some(end) => rest = rest[end..].trim_start(),
            None => break,
        }
    }
    ["<!doctype html", "<html", "<head>", "<body"]
        .iter()
        .any(|start| rest.starts_with(start))
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|w| w == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_counts_more_than_the_name() {
        assert_eq!(of("report.txt", b"%PDF-1.7\n"), Ok(Kind::Pdf));
        assert_eq!(of("stdin", b"\n<!DOCTYPE html><p>x"), Ok(Kind::Html));
        let xhtml = b"<?xml version='1.0'?>\n<!-- a page -->\n<html><body/></html>";
        assert_eq!(of("stdin", xhtml), Ok(Kind::Html));
        assert_eq!(of("piece.HTM", b"<p>no root element"), Ok(Kind::Html));
        assert_eq!(of("page.php", b"<html><?php ?>"), Ok(Kind::Text));
        assert_eq!(
            of("feed.xml", b"<?xml version='1.0'?><rss/>"),
            Ok(Kind::Text)
        );
        assert_eq!(of("a.pdf", b"only named so"), Ok(Kind::Text));
    }

    #[test]
    fn a_text_may_speak_of_pdf() {
        let source = "// Files that begin with %PDF- are PDFs: é".repeat(40);
        assert_eq!(of("kind.rs", source.as_bytes()), Ok(Kind::Text));
        let cut = format!("%%PDF-{}é", "x".repeat(1017));
        assert!(std::str::from_utf8(&cut.as_bytes()[..1024]).is_err());
        assert_eq!(of("stdin", cut.as_bytes()), Ok(Kind::Text));
        let page = b"<!DOCTYPE html><p>%PDF-1.7";
        assert_eq!(of("stdin", page), Ok(Kind::Html));
        for (name, bytes) in [
            ("stdin", &b"\xef\xbb\xbf \r\n%PDF-1.4\n"[..]),
            ("a.PDF", b"From: somebody\n\n%PDF-1.4\n"),
            ("stdin", b"From: somebody\n\n%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"),
            ("stdin", b"\0\x01name\0%PDF-1.4\n"),
        ] {
            assert_eq!(of(name, bytes), Ok(Kind::Pdf), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_named_with_the_way_out() {
        let word = b"PK\x03\x04....[Content_Types].xml....word/document.xml";
        assert!(
            of("letter", word)
                .unwrap_err()
                .contains("Word document; save it as PDF")
        );
        assert!(
            of("x.zip", b"PK\x03\x04..a.txt")
                .unwrap_err()
                .contains("zip archive")
        );
        assert_eq!(of("m", b"GGUF\x03\0\0\0"), Err("is a model file"));
    }
}
