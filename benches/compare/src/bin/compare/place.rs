//! Where it runs: what makes two runs alike, and what is known of the machine.
//!
//! Two things make numbers wander here. An idle core goes to sleep and wakes slowly, unless `/dev/cpu_dma_latency` is held at
//! 0. And large bodies over loopback vary with the congestion control, so it is reno, in a network namespace of its own. Where
//! either is not permitted, the run goes on and the facts say so.

use crate::options::Options;
use crate::proxies::Proxy;
use crate::running::Running;
use crate::tools;
use hardwire_compare::flags::Failure;
use serde::Serialize;
use std::fs::{self, File};
use std::io::Write;
use std::process::{ExitCode, Stdio};
use tokio::process::Command;

const CONGESTION: &str = "/proc/sys/net/ipv4/tcp_congestion_control";

/// Tells the second stage that it has a network namespace of its own, which it may change.
const OWN_NETWORK: &str = "HARDWIRE_COMPARE_OWN_NETWORK";

/// Starts the second stage and waits for it.
pub(crate) async fn enter(options: &Options) -> Result<ExitCode, Failure> {
    let own = std::env::current_exe()?;
    let permitted = Command::new("unshare").args(["--net", "true"]).stderr(Stdio::null()).status().await;
    let mut command = if permitted.is_ok_and(|status| status.success()) {
        let mut command = std::process::Command::new("unshare");
        command.arg("--net").arg("--").arg(own).env(OWN_NETWORK, "1");
        command
    } else {
        std::process::Command::new(own)
    };
    command.args(std::env::args_os().skip(1)).arg("--inside");
    let status = Running::spawn("the measurement", command)?.wait(options.limit).await?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The settled surroundings. They last as long as this does.
#[derive(Debug)]
pub(crate) struct Place {
    /// Keeps the cores awake while it is open.
    awake: Option<File>,
    own_network: bool,
    proxies: Vec<(Proxy, Option<String>)>,
}

/// What is known of the machine and the run, for people and for `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Facts {
    date: String,
    cpu: String,
    cores: usize,
    kernel: String,
    /// Average of the last minute: other work makes every number larger.
    load: String,
    congestion_control: String,
    own_network: bool,
    cores_held_awake: bool,
    versions: Vec<String>,
}

impl Place {
    /// Settles what can be settled.
    pub(crate) async fn settle(options: &Options) -> Result<Self, Failure> {
        let own_network = std::env::var_os(OWN_NETWORK).is_some();
        if own_network {
            Command::new("ip").args(["link", "set", "lo", "up"]).status().await?;
            // Not there in every kernel; the facts tell what is used.
            let _ = fs::write(CONGESTION, "reno");
        }
        let awake = File::options().write(true).open("/dev/cpu_dma_latency").ok();
        let awake = awake.and_then(|mut file| file.write_all(&0_u32.to_ne_bytes()).is_ok().then_some(file));
        let mut proxies = Vec::new();
        for &proxy in &options.proxies {
            let flag = match proxy {
                Proxy::Nginx => "-v",
                Proxy::Envoy | Proxy::Hardwire => "--version",
                // The second pair is what was told of already.
                Proxy::Bare | Proxy::EnvoyExtproc | Proxy::Extproc => continue,
            };
            let output = Command::new(tools::program(proxy, options)?).arg(flag).output().await?;
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text);
            let line = text.lines().map(str::trim).find(|line| !line.is_empty());
            // Some put their path or name before it.
            proxies.push((proxy, line.map(|line| line.rsplit("version: ").next().unwrap_or(line).to_owned())));
        }
        Ok(Self { awake, own_network, proxies })
    }

    /// What is known now.
    pub(crate) async fn facts(&self) -> Facts {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let version = |(proxy, line): &(Proxy, Option<String>)| {
            format!("{}: {}", proxy.name(), line.as_deref().unwrap_or("does not tell its version"))
        };
        Facts {
            date: output("date", &["-u", "+%F %H:%M UTC"]).await,
            cpu: model.map_or("unknown", |(_, name)| name).into(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: read("/proc/sys/kernel/osrelease"),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().into(),
            congestion_control: read(CONGESTION),
            own_network: self.own_network,
            cores_held_awake: self.awake.is_some(),
            versions: self.proxies.iter().map(version).collect(),
        }
    }
}

impl Facts {
    /// As text.
    pub(crate) fn lines(&self) -> String {
        let network = if self.own_network { "a network namespace of its own" } else { "the machine's own network" };
        let awake = if self.cores_held_awake {
            "held awake (/dev/cpu_dma_latency at 0)"
        } else {
            "NOT held awake: /dev/cpu_dma_latency is not permitted, times vary up to 1.8 times"
        };
        let Self { date, cpu, cores, kernel, load, congestion_control, versions, .. } = self;
        let versions = versions.join("\n");
        format!(
            "{date}, {cpu}, {cores} cores, Linux {kernel}, load {load}\n\
             loopback in {network}, TCP {congestion_control}; cores {awake}\n{versions}\n"
        )
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".into(), |text| text.trim().to_owned())
}

async fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().await;
    output.map_or_else(|_| "unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
