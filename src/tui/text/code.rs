//! Blocks of code → styled lines.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::highlight::Highlighter;
use super::scope::Class;
use super::{literal, safe, wrap};
use crate::tui::theme::{Depth, Theme};

/// The next line of a block, on a band of its own background over the whole width; the first of a
/// block names the language at its right edge.
pub fn line(
    language: Option<&str>,
    source: &str,
    highlighter: &mut Highlighter,
    width: usize,
    theme: &Theme,
) -> Vec<Line<'static>> {
    let band = Style::new().fg(theme.text).bg(theme.code_background);
    let inner = width.saturating_sub(2).max(1);
    let margin = if width > 2 { 1 } else { 0 };
    let mut tag = language
        .filter(|l| l.len() > 1)
        .map(|l| format!("{} ", safe::one_line(&literal::clean(l))));
    let mut from = 0;
    let mut spans = Vec::new();
    for (to, class) in highlighter.line(source) {
        let text = source.get(from..to).unwrap_or_default().to_owned();
        spans.push(Span::styled(text, style(class, band, theme)));
        from = to;
    }
    let mut lines = wrap::wrap(&spans, inner);
    for line in &mut lines {
        let rest = width.saturating_sub(wrap::line_width(line) + margin);
        line.spans.insert(0, Span::styled(" ".repeat(margin), band));
        let tag = tag.take().filter(|tag| wrap::width(tag) < rest);
        let blank = rest - tag.as_deref().map_or(0, wrap::width);
        line.spans.push(Span::styled(" ".repeat(blank), band));
        line.spans
            .extend(tag.map(|tag| Span::styled(tag, band.fg(theme.faint))));
    }
    lines
}

fn style(class: Class, band: Style, theme: &Theme) -> Style {
    if theme.depth == Depth::None {
        // Two things can be told apart without colours, and stay quiet.
        return match class {
            Class::Keyword | Class::Inserted => band.add_modifier(Modifier::BOLD),
            Class::Comment | Class::Deleted => band.add_modifier(Modifier::ITALIC),
            _ => band,
        };
    }
    band.fg(match class {
        Class::Plain => theme.text,
        Class::Keyword => theme.code_keyword,
        Class::String => theme.code_string,
        Class::Number => theme.code_number,
        Class::Comment => theme.code_comment,
        Class::Function => theme.code_function,
        Class::Type => theme.code_type,
        Class::Name => theme.code_name,
        Class::Inserted => theme.good,
        Class::Deleted => theme.bad,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The styles of the texts in a block.
    fn styles(theme: &Theme, language: &str, source: &str) -> Vec<(String, Style)> {
        let mut highlighter = Highlighter::new(language);
        let lines = line(None, source, &mut highlighter, 40, theme);
        let spans = lines.into_iter().flat_map(|l| l.spans);
        spans
            .map(|s| (s.content.trim().to_owned(), s.style))
            .collect()
    }

    fn of(styles: &[(String, Style)], text: &str) -> Style {
        let holds = |(t, _): &&(String, Style)| t.contains(text);
        styles.iter().find(holds).unwrap().1
    }

    #[test]
    fn colours_come_from_the_theme() {
        for depth in [Depth::True, Depth::Ansi16] {
            for name in Theme::names() {
                let theme = Theme::built_in(name, depth).unwrap();
                let found = styles(&theme, "rust", "fn main() { \"s\" } // c");
                assert_eq!(of(&found, "fn").fg, Some(theme.code_keyword), "{name}");
                assert_eq!(of(&found, "main").fg, Some(theme.code_function), "{name}");
                assert_eq!(of(&found, "// c").fg, Some(theme.code_comment), "{name}");
                assert!(
                    found
                        .iter()
                        .all(|(_, s)| s.bg == Some(theme.code_background))
                );
            }
        }
    }

    #[test]
    fn without_colours_there_are_bold_and_italic() {
        let theme = Theme::built_in("cachat-dark", Depth::None).unwrap();
        let found = styles(&theme, "rust", "fn main() {} // c");
        assert!(of(&found, "fn").add_modifier.contains(Modifier::BOLD));
        assert!(of(&found, "// c").add_modifier.contains(Modifier::ITALIC));
        let plain = styles(&theme, "nosuchlanguage", "fn main() {} // c");
        assert!(plain.iter().all(|(_, s)| s.add_modifier.is_empty()));
    }
}
