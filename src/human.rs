//! Figures as people write them: `23.6 MiB`, `1,024`, `97.1 %`, `4 s`.

/// `7412` → `7,412`.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Most characters of a word in a message, and of a message.
const WORD: usize = 400;
const MESSAGE: usize = 6_000;

/// A message whose names may be anybody's: words without end are shortened in their middle, and so
/// is the whole.
pub fn brief(message: &str) -> String {
    let words = message.split_inclusive(char::is_whitespace);
    middle_out(
        &words.map(|word| middle_out(word, WORD)).collect::<String>(),
        MESSAGE,
    )
}

/// What a file says, as it is quoted within a message.
pub fn quoted(text: &str) -> String {
    middle_out(text, WORD)
}

fn middle_out(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let begin = text.floor_char_boundary(most / 2);
    let end = text.ceil_char_boundary(text.len() - most / 2);
    format!("{}…{}", &text[..begin], &text[end..])
}

/// Bytes in binary units with three significant figures: `173 MiB`, `23.6 MiB`, `512 B`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{n} B"),
        _ if value < 9.995 => format!("{value:.2} {}", UNITS[unit]),
        _ if value < 99.95 => format!("{value:.1} {}", UNITS[unit]),
        _ => format!("{value:.0} {}", UNITS[unit]),
    }
}

/// A share 0–1: `97.1 %`; whole per cents from 99.95 and for tiny shares.
pub fn percent(share: f64) -> String {
    let p = share * 100.0;
    if p >= 99.95 {
        "100 %".into()
    } else {
        format!("{p:.1} %")
    }
}

/// A share 0–1 without decimals: `86 %`.
pub fn percent_whole(share: f64) -> String {
    let p = share * 100.0;
    // 99.6 % is not everything, and something is not nothing.
    let p = if p < 100.0 {
        p.round().min(99.0)
    } else {
        p.round()
    };
    format!("{p:.0} %")
}

/// Token counts where room is short: `812`, `7.4k`, `131k`.
pub fn short(n: usize) -> String {
    match n {
        0..=999 => n.to_string(),
        1_000..=99_949 => format!("{:.1}k", n as f64 / 1000.0),
        _ => format!("{:.0}k", n as f64 / 1000.0),
    }
}

/// Tokens per second: `61`, `8.3`, `812`.
pub fn rate(per_second: f64) -> String {
    if per_second >= 9.95 {
        thousands(per_second.round() as usize)
    } else {
        format!("{per_second:.1}")
    }
}

/// A stretch of time in seconds: `41 ms`, `4.2 s`, `2 min 05 s`.
pub fn duration(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if seconds < 9.95 {
        format!("{seconds:.1} s")
    } else if seconds < 59.5 {
        format!("{seconds:.0} s")
    } else {
        let whole = seconds.round() as u64;
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}

/// How long ago: `just now`, `5 min ago`, `3 h ago`, `2 days ago`.
pub fn age(seconds: f64) -> String {
    match seconds as u64 {
        0..60 => "just now".into(),
        s @ 60..3600 => format!("{} min ago", s / 60),
        s @ 3600..86_400 => format!("{} h ago", s / 3600),
        s @ 86_400..172_800 => format!("{} day ago", s / 86_400),
        s => format!("{} days ago", s / 86_400),
    }
}

/// What is left of something, rounded so that it does not flicker.
pub fn remaining(seconds: f64) -> String {
    if seconds < 1.0 {
        "under 1 s".into()
    } else {
        duration(seconds.ceil().max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_people_write_them() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(1024), "1,024");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(24_746_394), "23.6 MiB");
        assert_eq!(bytes(173 << 20), "173 MiB");
        assert_eq!(bytes(1023 * 1024), "1.00 MiB");
        assert_eq!(percent(0.971), "97.1 %");
        assert_eq!(percent_whole(0.996), "99 %");
        assert_eq!(short(7412), "7.4k");
        assert_eq!(duration(0.0414), "41 ms");
        assert_eq!(duration(125.0), "2 min 05 s");
    }

    #[test]
    fn no_name_makes_a_message_long() {
        let usual = "there is no file /a/b.gguf\nGive --model another";
        assert_eq!(brief(usual), usual);
        let name = format!("{}日本", "é".repeat(1 << 20));
        let said = brief(&format!("there is no file {name}; check the path"));
        assert!(said.starts_with("there is no file éé") && said.ends_with("日本; check the path"));
        assert!(said.len() < 500 && said.contains('…'));
        assert!(brief(&"many words ".repeat(1 << 20)).len() < 6_100);
    }
}
