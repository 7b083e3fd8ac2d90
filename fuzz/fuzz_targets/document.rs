//! A document: HTML where the first byte is even, else PDF.
#![no_main]

use cachat::document::convert::{Format, convert};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((kind, bytes)) = data.split_first() {
        let format = match kind % 2 {
            0 => Format::Html,
            _ => Format::Pdf,
        };
        let _ = convert(format, bytes, None);
    }
});
