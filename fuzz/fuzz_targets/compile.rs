//! Documents: whatever the text, there is a router or an error, and what is said about it can be shown.

#![no_main]

use hardwire_codegen::{Source, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (router, report) = check(&Source { path: "fuzz.yaml", text });
    assert_eq!(router.is_none(), report.has_errors());
    assert_eq!(report.render_text(false).is_empty(), report.diagnostics.is_empty());
    assert!(report.render_json().starts_with('['));
});
