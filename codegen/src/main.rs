//! `hardwirec`: checks, prints and bakes a document from the command line. A thin face of the library.

use hardwire_codegen::envoy::{self, Bodies};
use hardwire_codegen::{Source, check, compile, ir, schema};
use lexopt::Arg::{Long, Short, Value};
use lexopt::ValueExt;
use std::ffi::OsString;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs, io};

const HELP: &str = "\
hardwirec compiles a router's configuration.

    hardwirec check FILE [--format text|json]   say what is wrong with it; exit code 1 if something is
    hardwirec emit  FILE [--out-dir DIR]        print the Rust it compiles to, or write it with its blobs to DIR
    hardwirec bake  FILE [ARGS...]              build the router: cargo build --release ARGS with HARDWIRE_CONFIG=FILE
    hardwirec envoy FILE [OPTIONS]              print a configuration of Envoy that asks the router about each request
    hardwirec schema                            print the JSON Schema of such a file, for editors

Options of `envoy`, for what the document does not tell:
    --listen ADDR:PORT                    listen here instead of at the first listener's address
    --extproc HOST:PORT                   where Envoy reaches the router's service, if not where it listens
    --bodies buffered|streamed|full-duplex    how bodies are sent to the router; default: buffered
    --original-dst                        send requests for IP addresses wherever the router says, without clusters
    --failure-mode-allow                  without the router, requests go to the default model as they are
    --ca-file FILE                        what Envoy trusts; default: /etc/ssl/certs/ca-certificates.crt
    --client-cert FILE --client-key FILE  what Envoy shows a router that has `tls.client_ca_file`; default: nothing
    --admin ADDR:PORT                     Envoy's own management face; default: none

    -h, --help       this text
    -V, --version    the version

FILE may be `-` for standard input, except for bake.";

/// What is wrong with the command line, or with files it names; never with a document.
struct Failure(String);

enum Job {
    Help,
    Version,
    Check { file: OsString, json: bool },
    Emit { file: OsString, out_dir: Option<PathBuf> },
    Bake { file: OsString, cargo: Vec<OsString> },
    Envoy { file: OsString, options: Box<envoy::Options> },
    Schema,
}

fn main() -> ExitCode {
    match parse().and_then(run) {
        Ok(code) => code,
        Err(Failure(message)) => {
            tell(&format!("hardwirec: {message}\n"));
            ExitCode::from(2)
        }
    }
}

fn parse() -> Result<Job, Failure> {
    let usage = |error: lexopt::Error| Failure(format!("{error}\ntry `hardwirec --help`"));
    let mut args = lexopt::Parser::from_env();
    let (mut command, mut file, mut json, mut out_dir) = (None, None, false, None);
    let mut envoy = envoy::Options::default();
    while let Some(arg) = args.next().map_err(usage)? {
        match arg {
            Short('h') | Long("help") => return Ok(Job::Help),
            Short('V') | Long("version") => return Ok(Job::Version),
            Value(value) if command.is_none() => command = Some(value),
            Value(value) if file.is_none() => {
                file = Some(value);
                if command.as_deref() == Some("bake".as_ref()) {
                    break; // what follows is Cargo's
                }
            }
            Long("format") if command.as_deref() == Some("check".as_ref()) => {
                json = match args.value().map_err(usage)?.to_str() {
                    Some("json") => true,
                    Some("text") => false,
                    _ => return Err(Failure("`--format` is `text` or `json`".into())),
                };
            }
            Long("out-dir") if command.as_deref() == Some("emit".as_ref()) => {
                out_dir = Some(args.value().map_err(usage)?.into());
            }
            Long(name) if command.as_deref() == Some("envoy".as_ref()) => {
                let name = name.to_owned();
                envoy_option(&mut envoy, &name, &mut args).map_err(usage)?;
            }
            other => return Err(usage(other.unexpected())),
        }
    }
    let command = command.ok_or_else(|| Failure("no command\ntry `hardwirec --help`".into()))?;
    let known = matches!(command.to_str(), Some("check" | "emit" | "bake" | "envoy" | "schema"));
    if !known {
        return Err(Failure(format!("there is no command `{}`\ntry `hardwirec --help`", command.display())));
    }
    if command == "schema" {
        return match file {
            None => Ok(Job::Schema),
            Some(file) => Err(usage(Value(file).unexpected())),
        };
    }
    let file = file.ok_or_else(|| Failure(format!("`hardwirec {}` needs a file", command.display())))?;
    match command.to_str() {
        Some("check") => Ok(Job::Check { file, json }),
        Some("emit") => Ok(Job::Emit { file, out_dir }),
        Some("envoy") if envoy.client_cert.as_ref().is_some_and(|(cert, key)| cert.is_empty() || key.is_empty()) => {
            Err(Failure("`--client-cert` and `--client-key` need each other".into()))
        }
        Some("envoy") => Ok(Job::Envoy { file, options: Box::new(envoy) }),
        _ => Ok(Job::Bake { file, cargo: args.raw_args().map_err(usage)?.collect() }),
    }
}

fn envoy_option(options: &mut envoy::Options, name: &str, args: &mut lexopt::Parser) -> Result<(), lexopt::Error> {
    match name {
        "listen" => options.listen = Some(args.value()?.parse()?),
        "admin" => options.admin = Some(args.value()?.parse()?),
        "ca-file" => options.ca_file = args.value()?.string()?,
        "client-cert" => options.client_cert.get_or_insert_default().0 = args.value()?.string()?,
        "client-key" => options.client_cert.get_or_insert_default().1 = args.value()?.string()?,
        "original-dst" => options.original_dst = true,
        "failure-mode-allow" => options.failure_mode_allow = true,
        "extproc" => {
            let text = args.value()?.string()?;
            let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
            let (host, port) = parts.filter(|(host, _)| !host.is_empty()).ok_or("`--extproc` is HOST:PORT")?;
            options.extproc = Some((host.trim_matches(['[', ']']).to_owned(), port));
        }
        "bodies" => {
            options.bodies = match args.value()?.to_str() {
                Some("buffered") => Bodies::Buffered,
                Some("streamed") => Bodies::Streamed,
                Some("full-duplex") => Bodies::FullDuplex,
                _ => return Err("`--bodies` is `buffered`, `streamed` or `full-duplex`".into()),
            }
        }
        other => return Err(Long(other).unexpected()),
    }
    Ok(())
}

fn run(job: Job) -> Result<ExitCode, Failure> {
    match job {
        Job::Help => say(&format!("{HELP}\n"))?,
        Job::Version => say(concat!("hardwirec ", env!("CARGO_PKG_VERSION"), "\n"))?,
        Job::Schema => say(&format!("{:#}\n", schema::schema()))?,
        Job::Check { file, json } => return run_check(&file, json),
        Job::Emit { file, out_dir } => return run_emit(&file, out_dir.as_deref()),
        Job::Bake { file, cargo } => return run_bake(&file, &cargo),
        Job::Envoy { file, options } => return run_envoy(&file, &options),
    }
    Ok(ExitCode::SUCCESS)
}

fn run_check(file: &OsString, json: bool) -> Result<ExitCode, Failure> {
    let (path, text) = read(file)?;
    let (router, report) = check(&Source { path: &path, text: &text });
    if json {
        say(&format!("{}\n", report.render_json()))?;
    } else {
        tell(&report.render_text(io::stderr().is_terminal()));
        match &router {
            Some(router) => say(&format!("{}\n", summary(router)))?,
            None => tell(&format!("\n{path}: {}\n", counted(report.counts().0, "error", "errors"))),
        }
    }
    Ok(if router.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_emit(file: &OsString, out_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    let (path, text) = read(file)?;
    let (output, report) = compile(&Source { path: &path, text: &text });
    tell(&report.render_text(io::stderr().is_terminal()));
    let Some(output) = output else { return Ok(ExitCode::FAILURE) };
    let Some(dir) = out_dir else {
        say(&output.rust)?;
        return Ok(ExitCode::SUCCESS);
    };
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error| Failure(format!("cannot write {path}: {error}"))
    };
    fs::create_dir_all(dir).map_err(failed(dir))?;
    let rust = [("router.rs", output.rust.as_bytes())];
    let blobs = output.blobs.iter().map(|blob| (blob.name.as_str(), blob.bytes.as_slice()));
    for (name, bytes) in rust.into_iter().chain(blobs) {
        let path = dir.join(name);
        fs::write(&path, bytes).map_err(failed(&path))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn run_envoy(file: &OsString, options: &envoy::Options) -> Result<ExitCode, Failure> {
    let (path, text) = read(file)?;
    let (router, report) = check(&Source { path: &path, text: &text });
    tell(&report.render_text(io::stderr().is_terminal()));
    let Some(router) = router else { return Ok(ExitCode::FAILURE) };
    if router.extproc.is_none() {
        tell(&format!("hardwirec: {path} has no `hardwire.extproc`: Envoy will ask in vain\n"));
    }
    match envoy::render(&router, options, |name| env::var(name).ok()) {
        Ok(yaml) => say(&yaml)?,
        Err(refusals) => {
            for refusal in refusals {
                tell(&format!("hardwirec: {refusal}\n"));
            }
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes to standard output. Who stops reading, as `head` does, has read enough.
fn say(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure(format!("cannot write: {error}"))),
        _ => Ok(()),
    }
}

/// Writes to standard error. Nobody can be told that nobody reads it, and the exit code says the same.
fn tell(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Cargo shows the report itself; its exit code is ours.
fn run_bake(file: &OsString, args: &[OsString]) -> Result<ExitCode, Failure> {
    let config = fs::canonicalize(file).map_err(|error| Failure(format!("cannot read {}: {error}", file.display())))?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(&cargo)
        .args(["build", "--release"])
        .args(args)
        .env("HARDWIRE_CONFIG", config)
        .status()
        .map_err(|error| Failure(format!("cannot run {}: {error}", cargo.display())))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The document's name as it is shown, and its text.
fn read(file: &OsString) -> Result<(String, String), Failure> {
    let failed = |error: io::Error| Failure(format!("cannot read {}: {error}", file.display()));
    if file == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map_err(failed)?;
        return Ok(("<stdin>".to_owned(), text));
    }
    let text = fs::read_to_string(file).map_err(failed)?;
    Ok((file.to_string_lossy().into_owned(), text))
}

fn summary(router: &ir::Router) -> String {
    let backends = router.models.iter().map(|model| model.backends.len()).sum();
    format!(
        "ok: {}, {}, {}, {}, {}",
        counted(router.models.len(), "model", "models"),
        counted(backends, "backend", "backends"),
        counted(router.policies.iter().map(|policy| policy.signals.len()).sum(), "signal", "signals"),
        counted(router.policies.iter().map(|policy| policy.decisions.len()).sum(), "decision", "decisions"),
        counted(router.env.len(), "environment variable", "environment variables"),
    )
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
