//! HTML → the text that a reader sees, as Markdown: headings, lists, tables, the words of links.

use encoding_rs::Encoding;
use htmd::element_handler::{HandlerResult, Handlers};
use htmd::options::{BrStyle, BulletListMarker, Options};
use htmd::{Element, HtmlToMarkdown};

/// Elements whose content nobody reads.
const UNREAD: [&str; 12] = [
    "head", "script", "style", "noscript", "template", "svg", "math", "iframe", "object", "canvas",
    "select", "button",
];

/// The text of a page.
pub fn text(html: &str) -> String {
    let options = Options {
        bullet_list_marker: BulletListMarker::Dash,
        ul_bullet_spacing: 1,
        ol_number_spacing: 1,
        br_style: BrStyle::TwoSpaces,
        ..Options::default()
    };
    let converter = HtmlToMarkdown::builder()
        .options(options)
        .skip_tags(UNREAD.to_vec())
        // Addresses cost tokens and say little; the words of a link stay.
        .add_handler(vec!["a"], |handlers: &dyn Handlers, element: Element| {
            Some(handlers.walk_children(element.node))
        })
        .add_handler(vec!["img"], |_: &dyn Handlers, element: Element| {
            let alt = element.attrs.iter().find(|a| &*a.name.local == "alt")?;
            Some(HandlerResult::from(alt.value.trim().to_owned()))
        })
        .build();
    let text = converter.convert(html).unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    let (mut empty, mut code) = (0, false);
    for line in text.lines() {
        let line = line.trim_end();
        code ^= line.trim_start().starts_with("```");
        let tight = (!code && line.starts_with('|') && !line.contains("\\|"))
            .then(|| without_padding(line));
        let line = tight.as_deref().unwrap_or(line);
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty < 2 {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// A table's row without the blanks that only line its cells up: each costs the model something.
fn without_padding(row: &str) -> String {
    let cells = row.split('|').map(|cell| match cell.trim() {
        rule if rule.len() > 3 && rule.bytes().all(|b| b == b'-') => "---",
        cell => cell,
    });
    cells.collect::<Vec<_>>().join(" | ").trim().to_owned()
}

/// The encoding a page declares in its first bytes, as browsers look for it.
pub fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head: String = bytes[..bytes.len().min(2048)]
        .iter()
        .map(|b| b.to_ascii_lowercase() as char)
        .collect();
    let at = head
        .match_indices("charset")
        .map(|(at, word)| at + word.len())
        .chain(
            head.starts_with("<?xml")
                .then(|| head.find("encoding").map(|at| at + "encoding".len()))
                .flatten(),
        );
    at.filter_map(|at| {
        let value = head[at..].trim_start().strip_prefix('=')?.trim_start();
        let value = value.trim_start_matches(['"', '\'']);
        let end = value.find(|c: char| !(c.is_ascii_alphanumeric() || "-_:.".contains(c)));
        Encoding::for_label(&value.as_bytes()[..end.unwrap_or(value.len())])
    })
    .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_reads_as_its_reader_sees_it() {
        let page = r#"<!doctype html><html><head><title>T</title><style>p{color:red}</style>
            <script>var hidden = "<p>not this</p>";</script></head><body>
            <h1>Tenancy &amp; notice</h1>
            <p>Either party may end it with <b>30&nbsp;days&rsquo;</b>
               <a href="https://example.org/very/long/address?x=1">notice</a>.</p>
            <noscript>Switch scripts on</noscript>
            <ol><li>by letter<li>by <code>e-mail</code></ol>
            <ul><li>tenant<ul><li>and heirs</li></ul></li><li>landlord</li></ul>
            <table><tr><th>who</th><th>how</th></tr><tr><td>tenant</td><td>letter</td></tr></table>
            <img src="seal.png" alt="The seal">
            <pre>kept   as
  it is</pre><svg><text>no</text></svg></body></html>"#;
        insta::assert_snapshot!(text(page));
    }

    #[test]
    fn the_declared_encoding_is_found() {
        let name = |page: &str| declared(page.as_bytes()).map(Encoding::name);
        assert_eq!(name("<meta charset=Shift_JIS>"), Some("Shift_JIS"));
        let old = "<META http-equiv=\"Content-Type\" content=\"text/html; charset=iso-8859-2\">";
        assert_eq!(name(old), Some("ISO-8859-2"));
        let xml = "<?xml version=\"1.0\" encoding='KOI8-R'?><html>";
        assert_eq!(name(xml), Some("KOI8-R"));
        assert_eq!(name("<p>no charset here</p>"), None);
    }

    #[test]
    fn broken_pages_are_read_as_far_as_they_go() {
        assert_eq!(text("<p>one<p>two<b>three").trim(), "one\n\ntwo**three**");
        assert_eq!(text("").trim(), "");
        assert!(text("<table><tr><td>a<td>b").contains('a'));
    }
}
