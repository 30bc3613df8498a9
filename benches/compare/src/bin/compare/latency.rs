//! How long Envoy waits for the router, by Envoy's own clock: one request at a time, on a machine that does nothing else.
//!
//! Envoy's filter notes for each part of a request how long it took until the external processor had answered, and tells that in
//! its access log. It is asked three times: alone, before a service that does nothing, and before the router. What the service
//! that does nothing takes is the price of asking at all.

use crate::options::Options;
use crate::proxies::{self, Proxy};
use crate::rounds;
use crate::running::{Running, pinned};
use crate::scenario::Scenario;
use crate::tools;
use crate::waits::{self, Sample, Waits};
use hardwire_compare::flags::Failure;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the access log may take to tell of everything.
const PATIENCE: Duration = Duration::from_secs(15);

/// Requests that are measured, in each round.
const REQUESTS: usize = 2000;
/// Requests before them.
const WARMUP: usize = 200;

const TRAFFIC: Scenario = Scenario {
    name: "one at a time",
    about: "1 KB request, 600 B answer, one connection",
    flags: &["--kind", "plain", "--connections", "1", "--requests", "2000", "--warmup", "200"],
    limit: Duration::from_secs(60),
};

/// Ports of an Envoy and of whom it asks. The two behind those are free.
const PORTS: [(u16, u16); 2] = [(9920, 9921), (9930, 9931)];

/// Behind this line of the printed configuration, the connection manager takes more.
const ANCHOR: &str = "codec_type: AUTO\n";

/// An Envoy, and who it asks.
struct Side {
    name: &'static str,
    running: Running,
    port: u16,
    /// Its access log, and how much of it was read.
    log: Option<(PathBuf, usize)>,
}

/// Starts everything, runs all rounds, ends everything.
pub(crate) async fn run(options: &Options) -> Result<Vec<Sample>, Failure> {
    let dir = tools::dir()?;
    let mut upstream = rounds::upstream(options).await?;
    let envoy = Proxy::Envoy.start(options).await?;
    let mut sides = vec![
        Side { name: waits::ALONE, running: envoy, port: Proxy::Envoy.port(), log: None },
        bare(options, &dir).await?,
        service(options, &dir).await?,
    ];
    let mut samples = Vec::new();
    for round in 0..options.rounds {
        // A different one goes first each time.
        sides.rotate_left(usize::from(round > 0));
        for side in &mut sides {
            side.running.check()?;
            upstream.check()?;
            let report = rounds::ask(options, TRAFFIC, side.port, side.name, &[]).await?;
            let waits = side.read().await?;
            samples.push(Sample { round, name: side.name, client_p50_us: report.p50_us, waits });
        }
    }
    Ok(samples)
}

/// The service that does nothing. It chooses no model: Envoy is told to go on without one.
async fn bare(options: &Options, dir: &Path) -> Result<Side, Failure> {
    let (port, listen) = PORTS[0];
    let mut command = pinned(options.proxy_core, &tools::sibling("bare-extproc")?);
    command.args(["--listen", &format!("127.0.0.1:{listen}")]);
    let asked = Running::start("bare-extproc", command, listen, &dir.join("latency-bare.log")).await?;
    Side::start(options, dir, waits::BARE, (port, listen), asked, &["--failure-mode-allow"]).await
}

async fn service(options: &Options, dir: &Path) -> Result<Side, Failure> {
    let (port, listen) = PORTS[1];
    let mut command = pinned(options.proxy_core, &tools::program(Proxy::Hardwire, options)?);
    // For HTTP, which nobody uses, for its management, and for Envoy.
    let ports = [("--listen", port + 2), ("--management", port + 3), ("--extproc", listen)];
    proxies::router(&mut command, &ports);
    let asked = Running::start("the router", command, listen, &dir.join("latency-router.log")).await?;
    Side::start(options, dir, waits::SERVICE, (port, listen), asked, &[]).await
}

impl Side {
    /// Starts the Envoy that asks `asked`, on the same core.
    async fn start(
        options: &Options,
        dir: &Path,
        name: &'static str,
        (port, listen): (u16, u16),
        asked: Running,
        more: &[&str],
    ) -> Result<Self, Failure> {
        let log = dir.join(format!("latency-{name}.access"));
        std::fs::write(&log, "")?;
        let config = logged(&tools::envoy_configuration(port, listen, more).await?, &log)?;
        let path = dir.join(format!("latency-{name}.yaml"));
        std::fs::write(&path, config)?;
        let mut command = pinned(options.proxy_core, &tools::program(Proxy::Envoy, options)?);
        command.arg("-c").arg(path).args(["--concurrency", "1", "--log-level", "warn", "--disable-hot-restart"]);
        command.args(["--file-flush-interval-msec", "500"]);
        let envoy = Running::start(name, command, port, &dir.join(format!("latency-{name}.log"))).await?;
        Ok(Self { name, running: envoy.with(asked), port, log: Some((log, 0)) })
    }

    /// What Envoy has noted of the requests of this round, without those of the warm-up. With one connection, they stand in the
    /// order in which they were made.
    async fn read(&mut self) -> Result<Vec<Waits>, Failure> {
        let Some((log, seen)) = &mut self.log else { return Ok(Vec::new()) };
        let begun = Instant::now();
        let expected = *seen + WARMUP + REQUESTS;
        loop {
            let text = std::fs::read_to_string(&*log)?;
            let lines = text.bytes().filter(|&byte| byte == b'\n').count();
            if lines >= expected {
                let new = text.lines().skip(*seen + WARMUP).take(REQUESTS);
                *seen = expected;
                return new.map(Waits::parse).collect();
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("{}: {lines} of {expected} requests in {}", self.name, log.display()).into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The configuration, with an access log that tells how long Envoy waited.
fn logged(config: &str, log: &Path) -> Result<String, Failure> {
    let at = config.find(ANCHOR).ok_or("the printed configuration is not as expected")?;
    let indent = at - config[..at].rfind('\n').map_or(0, |line| line + 1);
    let format = waits::FIELDS.map(|field| format!("%FILTER_STATE(envoy.filters.http.ext_proc:FIELD:{field})%"));
    let entry = serde_json::json!([{
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": log,
            "log_format": {
                "text_format_source": { "inline_string": format!("%RESPONSE_CODE% {}\n", format.join(" ")) },
            },
        },
    }]);
    // JSON is YAML.
    Ok(format!("{}access_log: {entry}\n{}{}", &config[..at], " ".repeat(indent), &config[at..]))
}
