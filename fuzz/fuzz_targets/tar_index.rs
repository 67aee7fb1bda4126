//! Any bytes as an image: they are refused, or every entry lies inside the stream and after the one before.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(image) = casehard_fuzz::open(bytes) else {
        return;
    };
    let mut at = 0;
    for entry in image.archive().entries() {
        assert!(at <= entry.start && entry.start <= entry.header && entry.header < entry.data);
        assert!(entry.end() <= image.stream().len());
        at = entry.end();
    }
    assert!(at <= image.archive().end);
});
