//! Kept ÷ uniform as a place on the heat scale, and as a glyph where colours cannot say it.

/// Where a ratio stands on [`heat`](crate::tui::theme::Theme::heat), 0–2: a ratio is as far from
/// even as its logarithm, so half is the scale's start and double its end.
pub fn warmth(ratio: f32) -> f32 {
    if ratio > 0.0 {
        (1.0 + ratio.log2()).clamp(0.0, 2.0)
    } else {
        0.0
    }
}

/// The ratio without colours and blocks: five is uniform.
pub fn digit(ratio: f32) -> char {
    char::from(b'0' + (ratio * 5.0).round().clamp(0.0, 9.0) as u8)
}

/// The ratio without colours: 0 … 2 as a bar of `rows` cells, of which this is the one `up` from
/// the ground. The last eighth stays free, so that bars above each other do not touch.
pub fn level(ratio: f32, rows: u16, up: u16) -> char {
    const GLYPHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = f32::from(rows) * 8.0 - 1.0;
    let eighths = (ratio.min(2.0) / 2.0 * most).round().max(1.0);
    GLYPHS[(eighths - f32::from(up) * 8.0).clamp(0.0, 8.0) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_even_and_double_are_start_middle_and_end() {
        let places: Vec<f32> = [0.0, 0.5, 1.0, 2.0, 9.0].map(warmth).to_vec();
        assert_eq!(places, [0.0, 0.0, 1.0, 2.0, 2.0]);
        assert_eq!(warmth(f32::NAN), 0.0);
    }

    #[test]
    fn uniform_is_the_middle_and_bars_stack() {
        assert_eq!((digit(0.0), digit(1.0), digit(9.0)), ('0', '5', '9'));
        assert_eq!(
            (level(0.0, 1, 0), level(1.0, 1, 0), level(2.0, 1, 0)),
            ('▁', '▄', '▇')
        );
        assert_eq!((level(1.5, 2, 0), level(1.5, 2, 1)), ('█', '▃'));
    }
}
