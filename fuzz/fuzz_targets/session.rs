//! A saved conversation's file.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let conversation = cachat::saved::read(data);
    assert!(conversation.whole <= data.len());
    assert!(conversation.title().chars().count() <= 80);
    // What was understood is so whatever is torn off behind it.
    assert_eq!(
        cachat::saved::read(&data[..conversation.whole]),
        conversation
    );
});
