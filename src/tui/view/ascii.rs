//! For terminals without Unicode: every glyph of ours has a stand-in of the same width.

use ratatui::buffer::Buffer;

/// Replaces what is not ASCII in the whole buffer.
pub(super) fn fold(buf: &mut Buffer) {
    for cell in &mut buf.content {
        if !cell.symbol().is_ascii() {
            let c = cell.symbol().chars().next().unwrap_or(' ');
            let plain = stand_in(c);
            // A wide glyph's second cell is blank already.
            cell.set_char(plain);
        }
    }
}

fn stand_in(c: char) -> char {
    match c {
        '─' | '━' | '╌' | '—' | '–' | '‒' => '-',
        '│' | '┃' | '▏' | '▎' | '▍' | '▌' => '|',
        '╭' | '╮' | '╰' | '╯' | '├' | '┤' | '┬' | '┴' | '┼' | '┌' | '┐' | '└' | '┘' => {
            '+'
        }
        '·' | '…' | '•' => '.',
        '›' | '▸' | '→' | '»' => '>',
        '‹' | '←' | '«' | '↺' => '<',
        '↑' | '▲' => '^',
        '↓' | '▼' | '▾' => 'v',
        '×' => 'x',
        '÷' => '/',
        '┊' => ':',
        '≥' => '>',
        '●' | '○' => '*',
        '█' | '▇' | '▆' | '▓' => '#',
        '▅' | '▄' | '▀' | '▒' => '=',
        '▃' | '▂' | '▁' | '░' => '_',
        '’' | '‘' => '\'',
        '“' | '”' => '"',
        '␛' => '^',
        '\u{2800}' => ' ',
        '\u{2801}'..='\u{28ff}' => '*',
        _ => '?',
    }
}
