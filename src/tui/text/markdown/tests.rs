use super::*;
use crate::tui::text::wrap;

fn plain(source: &str, width: usize) -> Vec<String> {
    let lines = render(source, width, &Theme::default());
    lines
        .iter()
        .map(|l| l.to_string().trim_end().to_owned())
        .collect()
}

#[test]
fn blocks_lists_and_tables() {
    assert_eq!(
        plain("# Title\ntext *it* **b**\n\nmore", 40),
        ["Title", "", "text it b", "", "more"]
    );
    assert_eq!(
        plain("- one\n- two words\n  - deep\n1. x", 8),
        ["• one", "• two", "  words", "  ◦ deep", "", "1. x"]
    );
    assert_eq!(plain("- a\n\n  b\n- c", 20), ["• a", "", "  b", "", "• c"]);
    assert_eq!(plain("> q w", 5), ["▎ q w"]);
    let table = plain("| a | bb |\n|---|---:|\n| 1 | 2 |", 40);
    assert_eq!(table, ["a  bb", "─────", "1   2"]);
}

#[test]
fn code_keeps_its_spaces_and_lines_fit() {
    let lines = render(
        "```rust\nfn main() {\n    let x = 1;\n}\n```",
        20,
        &Theme::default(),
    );
    assert_eq!(lines[1].to_string().trim_end(), "     let x = 1;");
    assert!(lines.iter().all(|l| wrap::line_width(l) <= 20));
}

#[test]
fn tight_and_loose_lists_look_alike() {
    assert_eq!(
        plain("1. a\n2. b\n3. c", 20),
        plain("1. a\n\n2. b\n\n3. c", 20)
    );
    let tight = "- a\n  ```\n  x\n  ```\n  b\n  - c\n- d";
    assert_eq!(
        plain(tight, 20),
        ["• a", "   x", "", "  b", "  ◦ c", "", "• d"]
    );
    assert_eq!(
        plain(tight, 20),
        plain(&tight.replace("\n- d", "\n\n- d"), 20)
    );
}

#[test]
fn tasks_links_and_definitions() {
    assert_eq!(
        plain("- [x] done\n- [ ] not yet", 20),
        ["☑ done", "☐ not yet"]
    );
    assert_eq!(
        plain("see [this](http://a.b) and <http://c.d>, <me@e.f>", 60),
        ["see this (http://a.b) and http://c.d, me@e.f"]
    );
    // Models close with their sources: they stay on the page.
    assert_eq!(
        plain("as [1] says[^n]\n\n[1]: http://a.b\n[^n]: note", 60),
        ["as [1] says[^n]", "", "[1]: http://a.b", "[^n]: note"]
    );
}

#[test]
fn a_line_break_in_a_paragraph_stays_one() {
    let poem = "The fog comes\non *little\ncat* feet.\n\nIt sits looking";
    let lines = [
        "The fog comes",
        "on little",
        "cat feet.",
        "",
        "It sits looking",
    ];
    assert_eq!(plain(poem, 40), lines);
    assert_eq!(plain("> a\n> b\nc", 20), ["▎ a", "▎ b", "▎ c"]);
    assert_eq!(
        plain("1. one\n   two\n2. x", 20),
        ["1. one", "   two", "2. x"]
    );
    let long = plain("some words of a line\nand more", 10);
    assert_eq!(long, ["some words", "of a line", "and more"]);
}

#[test]
fn quotations_hold_blocks() {
    assert_eq!(
        plain("> a\n>\n> - b\n>   - c\n>\n> > d", 20),
        ["▎ a", "▎", "▎ • b", "▎   ◦ c", "▎", "▎ ▎ d"]
    );
    assert_eq!(
        plain("<b>\nx\n</b>\n\ny", 20),
        ["<b>", "x", "</b>", "", "y"]
    );
}

#[test]
fn wide_tables_wrap_in_their_cells() {
    let text = "| name | what it is |\n|---|---|\n| a | some longer words |\n| b | short |";
    assert_eq!(
        plain(text, 16),
        [
            "name  what it is",
            "────────────────",
            "a     some",
            "      longer",
            "      words",
            "┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄",
            "b     short"
        ]
    );
}

#[test]
fn formulas_are_shown_as_they_are_written() {
    for text in [
        r"so $\mathbf{x}_{i} + \mathbf{y}_{j}$ holds",
        r"so \(\mathbf{x}_{i} + \mathbf{y}_{j}\) holds",
        r"\[ a_{1} * b_{1}\,c * \left\{ d \right. \]",
        r"\[",
        r"sets \{a, b\}, lines \\ and \(x",
    ] {
        assert_eq!(plain(text, 80), [text]);
    }
    for text in [
        "\\[\n\\begin{cases} x_{i}\\,y_{i} \\\\ z \\end{cases}\n\\]",
        "$$\nx_{i} * y_{i} * z\n$$",
    ] {
        assert_eq!(plain(text, 80), text.lines().collect::<Vec<_>>());
    }
    assert_eq!(plain(r"`\(a\) $x$ \\` \*b\*", 40), [r"\(a\) $x$ \\ *b*"]);
    assert_eq!(plain("```\n\\(a\\{$5\\)\n```", 40), [r" \(a\{$5\)"]);
}

#[test]
fn prices_are_no_formulas() {
    let theme = Theme::default();
    let formulas = |text: &str| -> String {
        let lines = render(text, 80, &theme);
        let spans = lines.iter().flat_map(|line| &line.spans);
        let coloured = spans.filter(|span| span.style.fg == Some(theme.code));
        coloured.map(|span| span.content.as_ref()).collect()
    };
    assert_eq!(formulas(r"of $x_1$, $$y$$ and \(z\)"), r"$x_1$$$y$$\(z\)");
    for prices in [
        "it costs $5 and $6",
        "$5-$6",
        "**$5** or **$6**, $7–$8, US$9",
        r"\$5 or \$6",
        "**5$** or **10$**",
        "**$5/month** vs **$X/month**",
        "set $HOME and **$PATH**",
    ] {
        assert_eq!(formulas(prices), "", "{prices}");
    }
    assert_eq!(plain("**$5** or **$6**", 40), ["$5 or $6"]);
    assert_eq!(plain("**5$** or **10$**", 40), ["5$ or 10$"]);
    // Code stays code.
    assert_eq!(formulas("costs $5; set `$PATH` $"), "$PATH");
}

#[test]
fn a_break_of_html_ends_a_line() {
    let table = "| a | steps |\n|---|---|\n| x | one<br>two <BR /> three<br/> |\n";
    let rows = ["a  steps", "────────", "x  one", "   two", "   three"];
    assert_eq!(plain(table, 40), rows);
    assert_eq!(
        plain("one<br>two<br/>\nthree<br>\n\nfour <b>", 40),
        ["one", "two", "three", "", "four <b>"]
    );
    assert_eq!(plain("a\n\n<br>\n\nb", 40), ["a", "", "b"]);
}
