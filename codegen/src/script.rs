//! The build script as a function: config file in, `router.rs` and its blobs out, mistakes to Cargo.

use crate::errors::Severity;
use crate::{Report, Source, compile};
use std::env;
use std::fs;
use std::io;
use std::path::Path;

/// What Cargo sets for the build script of a server that can serve Envoy.
const ENVOY_FEATURE: &str = "CARGO_FEATURE_EXTPROC";

/// Compiles a document for `build.rs` and writes `router.rs` and its blobs into `out_dir`, where they changed.
///
/// Speaks to Cargo on standard output. Mistakes, an unreadable file among them, become `cargo::error`: the build then
/// fails with the report and nothing else, without a panic.
#[allow(clippy::print_stdout, reason = "directives to Cargo are lines on standard output")]
pub fn build(config_path: &Path, out_dir: &Path) {
    let shown = config_path.display().to_string();
    println!("cargo::rerun-if-changed={shown}");
    let text = match fs::read(config_path) {
        Err(error) => return println!("cargo::error=cannot read {shown}: {error}"),
        Ok(bytes) => match String::from_utf8(bytes) {
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                return println!("cargo::error=cannot read {shown}: not UTF-8 at byte {at}");
            }
            Ok(text) => text,
        },
    };
    let (output, report) = compile(&Source { path: &shown, text: &text });
    tell(&report);
    let Some(output) = output else { return };
    if output.serves_envoy && env::var_os(ENVOY_FEATURE).is_none() {
        println!(
            "cargo::warning=`hardwire.extproc` is in {shown}, but the feature `extproc` is off: this router will not start"
        );
    }
    let rust = [("router.rs", output.rust.as_bytes())];
    let blobs = output.blobs.iter().map(|blob| (blob.name.as_str(), blob.bytes.as_slice()));
    for (name, bytes) in rust.into_iter().chain(blobs) {
        let path = out_dir.join(name);
        if let Err(error) = write_if_changed(&path, bytes) {
            return println!("cargo::error=cannot write {}: {error}", path.display());
        }
    }
}

/// One directive for every line: Cargo ends a directive at the line's end.
#[allow(clippy::print_stdout, reason = "directives to Cargo are lines on standard output")]
fn tell(report: &Report) {
    for diagnostic in &report.diagnostics {
        let directive = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        for line in report.render_one(diagnostic, false).lines() {
            println!("cargo::{directive}={line}");
        }
    }
    if report.left_out() > 0 {
        println!("cargo::warning={} more are not shown", report.left_out());
    }
}

/// Cargo and rustc go by modification times: an unchanged file must keep its own.
fn write_if_changed(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::read(path) {
        Ok(old) if old == bytes => Ok(()),
        _ => fs::write(path, bytes),
    }
}
