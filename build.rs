//! Compiles the document that `HARDWIRE_CONFIG` names (default: `router-config.yaml`) to `OUT_DIR/router.rs`.
//!
//! Mistakes in it become errors of the build, each with its line and a caret; this script itself does not fail.

#![allow(clippy::print_stdout)] // it speaks to Cargo on standard output

use std::{env, path::Path};

fn main() {
    println!("cargo::rerun-if-env-changed=HARDWIRE_CONFIG");
    // Cargo runs this in the package root: a relative path starts there.
    let config = env::var_os("HARDWIRE_CONFIG").filter(|path| !path.is_empty());
    let config = config.unwrap_or_else(|| "router-config.yaml".into());
    let out_dir = env::var_os("OUT_DIR").expect("Cargo sets OUT_DIR for build scripts");
    hardwire_codegen::build(Path::new(&config), Path::new(&out_dir));
}
