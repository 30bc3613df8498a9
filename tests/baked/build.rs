//! Bakes every document in `configs/` to `OUT_DIR/<name>/router.rs`.

#![allow(clippy::print_stdout)] // it speaks to Cargo on standard output

mod random;

use hardwire_codegen::{Source, compile};
use std::{env, fmt::Write as _, fs, path::Path};

/// How many random documents there are.
const RANDOM: usize = 24;

fn main() {
    println!("cargo::rerun-if-changed=configs"); // one more or one less
    let out_dir = env::var_os("OUT_DIR").expect("Cargo sets OUT_DIR for build scripts");
    for entry in fs::read_dir("configs").expect("configs/ is part of this crate") {
        let config = entry.expect("configs/ can be read").path();
        let folder = Path::new(&out_dir).join(config.file_stem().expect("every file in configs/ has a name"));
        fs::create_dir_all(&folder).expect("OUT_DIR can be written");
        hardwire_codegen::build(&config, &folder);
    }
    bake_random(Path::new(&out_dir));
}

/// Bakes random documents to `random<n>/router.rs`, and writes a module for each and a list of all. One with decisions that
/// can never win is no document; then another is made.
fn bake_random(out_dir: &Path) {
    println!("cargo::rerun-if-changed=random.rs");
    let mut random = random::Random(2026);
    let (mut modules, mut list) = (String::new(), String::new());
    let mut before: Option<String> = None;
    for n in 0..RANDOM {
        let baked = |text: &str| compile(&Source { path: "random.yaml", text }).0;
        let (routing, alone) = (0..10_000)
            .find_map(|_| {
                let routing = random.routing();
                baked(&random::document(&routing, None)).map(|output| (routing, output))
            })
            .expect("one in a few documents is sound");
        // Every other one has the one before as a recipe, with signals and decisions of the same names.
        let recipe = before.filter(|_| n % 2 == 1);
        let text = random::document(&routing, recipe.as_deref());
        let output = if recipe.is_some() { baked(&text).expect("both are sound") } else { alone };
        before = Some(routing);
        let folder = out_dir.join(format!("random{n}"));
        fs::create_dir_all(&folder).expect("OUT_DIR can be written");
        let rust = [("router.rs", output.rust.as_bytes()), ("router.yaml", text.as_bytes())];
        let blobs = output.blobs.iter().map(|blob| (blob.name.as_str(), blob.bytes.as_slice()));
        for (name, bytes) in rust.into_iter().chain(blobs) {
            fs::write(folder.join(name), bytes).expect("OUT_DIR can be written");
        }
        let _ =
            writeln!(modules, "mod random{n} {{ include!(concat!(env!(\"OUT_DIR\"), \"/random{n}/router.rs\")); }}");
        let _ = writeln!(list, "(include_str!(\"random{n}/router.yaml\"), &random{n}::TABLES),");
    }
    let list = format!("/// Each with its document.\npub static ALL: [(&str, &Tables); {RANDOM}] = [{list}];");
    let text = format!("use ::hardwire::table::Tables;\n{modules}{list}");
    fs::write(out_dir.join("random.rs"), text).expect("OUT_DIR can be written");
}
