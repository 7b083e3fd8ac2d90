//! A chat template over a short conversation, as the helper renders it (cargo-fuzz's own limits on
//! time and memory stand in for the helper's).
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let job = serde_json::json!({
        "source": String::from_utf8_lossy(data),
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?\n<|im_end|>"}],
        "add_generation_prompt": true,
        "bos": "<s>",
        "eos": "</s>",
        "began": "2026-11-03T10:00:00+00:00",
    });
    let _ = cachat::model::rendering::rendered(job.to_string().as_bytes());
});
