//! Wrapping by display width: wide characters, emoji and combining marks keep their cells.

use std::ops::Range;

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Cells that a text takes.
pub fn width(text: &str) -> usize {
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}

/// The longest start of `text` within `cells`, with an ellipsis where something was cut off.
pub fn truncate(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for g in text.graphemes(true) {
        let w = g.width();
        if used + w + 1 > cells {
            break;
        }
        used += w;
        out.push_str(g);
    }
    if cells > 0 {
        out.push('…');
    }
    out
}

/// One grapheme cluster on its way into a line.
#[derive(Clone, Copy)]
struct Cluster<'a> {
    text: &'a str,
    style: Style,
    width: usize,
}

/// Where to break: ranges over items of the given widths. `space(i)` items may vanish at a line's
/// end; a line may break after an item where `after(i)` holds.
pub fn breaks(
    count: usize,
    cells: usize,
    width: impl Fn(usize) -> usize,
    space: impl Fn(usize) -> bool,
    after: impl Fn(usize) -> bool,
) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let (mut start, mut used, mut chance) = (0, 0, None::<usize>);
    let mut i = 0;
    while i < count {
        let w = width(i);
        if used + w > cells && i > start {
            if space(i) {
                // The space hangs over the edge and is not drawn.
                lines.push(start..i);
                i += 1;
                start = i;
            } else if let Some(at) = chance.filter(|&at| at > start) {
                let mut end = at;
                while end > start && space(end - 1) {
                    end -= 1;
                }
                if end == start {
                    end = at;
                }
                lines.push(start..end);
                start = at;
                i = at;
            } else {
                lines.push(start..i);
                start = i;
            }
            used = 0;
            chance = None;
            continue;
        }
        used += w;
        i += 1;
        if space(i - 1) || after(i - 1) {
            chance = Some(i);
        }
    }
    lines.push(start..count);
    lines
}

/// Wraps styled text; `\n` in it ends a line. No line is wider than `cells` (at least 1).
pub fn wrap(spans: &[Span<'_>], cells: usize) -> Vec<Line<'static>> {
    let cells = cells.max(1);
    let mut lines = Vec::new();
    let mut paragraph: Vec<Cluster> = Vec::new();
    for span in spans {
        for text in span.content.graphemes(true) {
            if text == "\n" || text == "\r\n" {
                flush(&mut paragraph, cells, &mut lines);
                continue;
            }
            let mut cluster = Cluster {
                text,
                style: span.style,
                width: text.width(),
            };
            if cluster.width > cells {
                cluster = Cluster {
                    text: "·",
                    width: 1,
                    ..cluster
                };
            }
            paragraph.push(cluster);
        }
    }
    flush(&mut paragraph, cells, &mut lines);
    lines
}

fn flush(paragraph: &mut Vec<Cluster>, cells: usize, lines: &mut Vec<Line<'static>>) {
    let p = &*paragraph;
    let ranges = breaks(
        p.len(),
        cells,
        |i| p[i].width,
        |i| p[i].text == " ",
        |i| {
            // Wide scripts break anywhere; so do hyphens and slashes, but not `https://`.
            let slash = |i: usize| p.get(i).is_some_and(|c| c.text == "/");
            (p[i].width > 1 && p.get(i + 1).is_some_and(|n| n.width > 1))
                || matches!(p[i].text, "-" | "—")
                || (slash(i) && !slash(i + 1) && !slash(i.wrapping_sub(1)))
        },
    );
    lines.extend(ranges.into_iter().map(|r| line(&p[r])));
    paragraph.clear();
}

fn line(clusters: &[Cluster]) -> Line<'static> {
    let mut spans: Vec<Span<'static>> = Vec::new();
    let mut text = String::new();
    let mut style = Style::default();
    for c in clusters {
        if c.style != style && !text.is_empty() {
            spans.push(Span::styled(std::mem::take(&mut text), style));
        }
        style = c.style;
        text.push_str(c.text);
    }
    if !text.is_empty() {
        spans.push(Span::styled(text, style));
    }
    Line::from(spans)
}

/// Cells that a laid-out line takes.
pub fn line_width(line: &Line<'_>) -> usize {
    line.spans.iter().map(|s| width(&s.content)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(text: &str, cells: usize) -> Vec<String> {
        wrap(&[Span::raw(text.to_owned())], cells)
            .iter()
            .map(|l| l.to_string())
            .collect()
    }

    #[test]
    fn breaks_at_words_and_anywhere_in_wide_scripts() {
        assert_eq!(plain("the quick brown fox", 10), ["the quick", "brown fox"]);
        assert_eq!(plain("日本語の文章", 5), ["日本", "語の", "文章"]);
        assert_eq!(plain("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(plain("a\n\nb", 4), ["a", "", "b"]);
        assert_eq!(
            plain("see https://a.b/cd", 12),
            ["see", "https://a.b/", "cd"]
        );
        assert_eq!(truncate("日本語", 5), "日本…");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_width(text in "\\PC{0,80}", cells in 1usize..30) {
            for l in wrap(&[Span::raw(text.clone())], cells) {
                prop_assert!(line_width(&l) <= cells);
            }
        }

        #[test]
        fn only_spaces_are_lost(text in "[a-zé日 ]{0,60}", cells in 2usize..20) {
            let joined: String = plain(&text, cells).concat();
            prop_assert_eq!(joined.replace(' ', ""), text.replace(' ', ""));
        }
    }
}
