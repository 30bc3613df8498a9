//! Bakes every document in `configs/` to `OUT_DIR/<name>/router.rs`.

#![allow(clippy::print_stdout)] // it speaks to Cargo on standard output

use std::{env, fs, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=configs"); // one more or one less
    let out_dir = env::var_os("OUT_DIR").expect("Cargo sets OUT_DIR for build scripts");
    for entry in fs::read_dir("configs").expect("configs/ is part of this crate") {
        let config = entry.expect("configs/ can be read").path();
        let folder = Path::new(&out_dir).join(config.file_stem().expect("every file in configs/ has a name"));
        fs::create_dir_all(&folder).expect("OUT_DIR can be written");
        hardwire_codegen::build(&config, &folder);
    }
}
