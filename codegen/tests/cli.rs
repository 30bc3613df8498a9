//! `hardwirec` as it is run: exit codes, and what goes where.

#![allow(clippy::unwrap_used, reason = "a test stops where it stands")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs};

const GOOD: &str = "providers:
  defaults: { default_model: m }
  models: [{ name: m, backend_refs: [{ provider: echo }] }]
";

fn run(args: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hardwirec"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who does not read its input may be gone before it is written.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

/// Exit code, standard output, standard error.
fn told(args: &[&str], stdin: &str) -> (i32, String, String) {
    let output = run(args, stdin);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// An empty folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

#[test]
fn check_says_what_is_there() {
    let (code, out, err) = told(&["check", "-"], GOOD);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, "ok: 1 model, 1 backend, 0 signals, 0 decisions, 0 environment variables\n");
}

#[test]
fn check_says_what_is_wrong() {
    let (code, out, err) = told(&["check", "-"], &GOOD.replace("default_model: m", "default_model: n"));
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.starts_with("error: there is no model `n`\n --> <stdin>:2:30\n"), "{err}");
    assert!(err.ends_with("<stdin>: 1 error\n"), "{err}");
}

#[test]
fn warnings_do_not_fail() {
    let (code, out, err) = told(&["check", "-"], &format!("setup: {{}}\n{GOOD}"));
    assert_eq!(code, 0);
    assert!(out.starts_with("ok: ") && err.starts_with("warning: `setup` is ignored"), "{out}{err}");
}

#[test]
fn json_is_for_programs() {
    let (code, out, err) = told(&["check", "--format", "json", "-"], GOOD);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "[]\n", ""));
    let (code, out, _) = told(&["check", "-", "--format=json"], "a: 1");
    let all: Vec<serde_json::Value> = serde_json::from_str(&out).unwrap();
    assert_eq!((code, all[0]["kind"].as_str()), (1, Some("unknown-key")));
}

#[test]
fn emit_prints_or_writes() {
    let (code, out, _) = told(&["emit", "-"], GOOD);
    assert_eq!(code, 0);
    let dir = folder("emit");
    let (code, nothing, _) = told(&["emit", "-", "--out-dir", dir.to_str().unwrap()], GOOD);
    assert_eq!((code, nothing.as_str()), (0, ""));
    assert_eq!(fs::read_to_string(dir.join("router.rs")).unwrap(), out);
    let (code, out, err) = told(&["emit", "-"], "a: 1");
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.starts_with("error: unknown key `a`"), "{err}");
}

#[test]
fn schema_is_json() {
    let (code, out, err) = told(&["schema"], "");
    assert_eq!((code, err.as_str()), (0, ""));
    let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

/// Who reads nothing gets the exit code all the same.
#[test]
fn nobody_reads() {
    for (document, code) in [(GOOD, 0), ("providers: {}\n", 1)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut child = Command::new(env!("CARGO_BIN_EXE_hardwirec"))
            .args(["check", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(writer)
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(document.as_bytes()).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn usage() {
    for (args, says) in [
        (&[][..], "no command"),
        (&["chek", "-"], "there is no command `chek`"),
        (&["check"], "`hardwirec check` needs a file"),
        (&["check", "no-such-file.yaml"], "cannot read no-such-file.yaml"),
        (&["check", "-", "--format", "xml"], "`--format` is `text` or `json`"),
        (&["check", "-", "--out-dir", "x"], "invalid option '--out-dir'"),
        (&["check", "-", "more"], "unexpected argument \"more\""),
        (&["schema", "more"], "unexpected argument \"more\""),
        (&["bake", "no-such-file.yaml"], "cannot read no-such-file.yaml"),
    ] {
        let (code, out, err) = told(args, GOOD);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}");
        assert!(err.starts_with(&format!("hardwirec: {says}")), "{args:?}: {err}");
    }
    assert_eq!(told(&["--version"], "").1, format!("hardwirec {}\n", env!("CARGO_PKG_VERSION")));
    assert!(told(&["-h"], "").1.contains("hardwirec check FILE"));
}

/// A shell stands in for Cargo: it takes `build` for the name of a script, which tells how it was called.
#[cfg(unix)]
#[test]
fn bake_calls_cargo() {
    let dir = folder("bake");
    let config = dir.join("my.yaml");
    fs::write(&config, GOOD).unwrap();
    fs::write(dir.join("build"), "echo \"$HARDWIRE_CONFIG: $*\"\nexit 7\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_hardwirec"))
        .args(["bake", "my.yaml", "--target", "x"])
        .current_dir(&dir)
        .env("CARGO", "sh")
        .output()
        .unwrap();
    let config = fs::canonicalize(&config).unwrap();
    let expected = format!("{}: --release --target x\n", config.display());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    assert_eq!(output.status.code(), Some(1));
}

/// Cargo compares modification times: what did not change must not be written.
#[test]
fn a_build_script_writes_what_changed() {
    let dir = folder("script");
    let config = dir.join("config.yaml");
    fs::write(&config, GOOD).unwrap();
    hardwire_codegen::build(&config, &dir);
    let router = dir.join("router.rs");
    let first = fs::read(&router).unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH;
    fs::File::options().write(true).open(&router).unwrap().set_modified(old).unwrap();
    hardwire_codegen::build(&config, &dir);
    assert_eq!(fs::metadata(&router).unwrap().modified().unwrap(), old);
    fs::write(&config, GOOD.replace("name: m", "name: n").replace("model: m", "model: n")).unwrap();
    hardwire_codegen::build(&config, &dir);
    assert_ne!(fs::read(&router).unwrap(), first);
    // A broken document leaves the last good output as it is; Cargo stops for its errors.
    let good = fs::read(&router).unwrap();
    fs::write(&config, "a: 1").unwrap();
    hardwire_codegen::build(&config, &dir);
    assert_eq!(fs::read(&router).unwrap(), good);
}

#[test]
fn envoy() {
    let (code, out, err) = told(&["envoy", "-", "--extproc", "[::1]:50052", "--bodies", "streamed"], GOOD);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("static_resources:") && out.contains("address: \"::1\"") && out.contains("port_value: 50052"));
    assert!(err.contains("has no `hardwire.extproc`"), "{err}");

    let served = format!("{GOOD}hardwire: {{ extproc: {{}} }}\n");
    let (code, out, err) = told(&["envoy", "-"], &served);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("port_value: 50051"));

    for (args, part) in [
        (vec!["envoy", "-", "--extproc", "50051"], "`--extproc` is HOST:PORT"),
        (vec!["envoy", "-", "--bodies", "whole"], "`--bodies` is"),
        (vec!["envoy", "-", "--frobnicate"], "--frobnicate"),
        (vec!["envoy"], "needs a file"),
    ] {
        let (code, out, err) = told(&args, GOOD);
        assert_eq!((code, out.as_str()), (2, ""));
        assert!(err.contains(part), "{err}");
    }
    let from_env = GOOD.replace("{ provider: echo }", "{ endpoint: \"${NOT_SET_ANYWHERE}\" }");
    let (code, out, err) = told(&["envoy", "-"], &from_env);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("NOT_SET_ANYWHERE"), "{err}");
}
