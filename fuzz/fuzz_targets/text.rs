//! Text on its way to the screen, a terminal and JSON.
#![no_main]

use cachat::tui::text::safe::visible;
use cachat::unseen::{harmless, json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let shown = visible(&text);
    assert!(shown.chars().all(harmless));
    assert_eq!(visible(&shown), shown);
    let said = serde_json::json!(text);
    let written = said.to_string();
    let written = json(&written);
    assert!(written.chars().all(|c| harmless(c) || c == '\t'));
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&written).unwrap(),
        said
    );
});
