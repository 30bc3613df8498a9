//! The opponents: how each is set up as a plain proxy, and started.
//!
//! Each as an operator of an LLM gateway would run it, and where there is a choice, the cheaper way: a pool of keep-alive
//! connections to the upstream, one worker, no access log, nothing buffered to disk, streams not held back.

use crate::options::Options;
use crate::running::{Running, pinned};
use crate::tools;
use hardwire_compare::flags::Failure;
use std::path::Path;
use std::process::Command;

/// Where the mock upstream listens; also written in `router-config.yaml`.
pub(crate) const UPSTREAM_PORT: u16 = 9900;

/// A proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proxy {
    Nginx,
    Envoy,
    Bare,
    Hardwire,
    /// Envoy that asks the router about each request.
    EnvoyExtproc,
    /// The same, but only the router's part of it is measured.
    Extproc,
}

impl Proxy {
    /// All there are. The first is what ratios are to.
    pub(crate) const ALL: [Self; 6] =
        [Self::Nginx, Self::Envoy, Self::Bare, Self::Hardwire, Self::EnvoyExtproc, Self::Extproc];

    /// Its name, on the command line and in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Envoy => "envoy",
            Self::Bare => "bare",
            Self::Hardwire => "hardwire",
            Self::EnvoyExtproc => "envoy+extproc",
            Self::Extproc => "extproc",
        }
    }

    /// Where it listens.
    pub(crate) fn port(self) -> u16 {
        match self {
            Self::Nginx => 9901,
            Self::Envoy => 9902,
            Self::Bare => 9904,
            Self::Hardwire => 9903,
            Self::EnvoyExtproc => 9905,
            Self::Extproc => 9909,
        }
    }

    /// Starts it on the proxies' core.
    pub(crate) async fn start(self, options: &Options) -> Result<Running, Failure> {
        let dir = tools::dir()?;
        if matches!(self, Self::EnvoyExtproc | Self::Extproc) {
            return self.envoy_extproc(options, &dir).await;
        }
        let listen = format!("127.0.0.1:{}", self.port());
        let mut command = pinned(options.proxy_core, &tools::program(self, options)?);
        match self {
            Self::Nginx => nginx(&mut command, &dir, self.port())?,
            Self::Envoy => envoy(&mut command, &dir, self.port())?,
            Self::Bare => {
                command.args(["--listen", &listen, "--target", &format!("127.0.0.1:{UPSTREAM_PORT}")]);
            }
            Self::Hardwire => {
                router(&mut command, &[("--listen", self.port())]);
            }
            Self::EnvoyExtproc | Self::Extproc => unreachable!("it was started"),
        }
        Running::start(self.name(), command, self.port(), &dir.join(format!("{}.log", self.name()))).await
    }

    /// Envoy as `hardwirec envoy` configures it, and the router beside it on the same core.
    async fn envoy_extproc(self, options: &Options, dir: &Path) -> Result<Running, Failure> {
        let (name, port) = (self.name(), self.port());
        // For HTTP, which nobody uses, for its management, and for Envoy.
        let [unused, management, service] = [port + 1, port + 2, port + 3];
        let mut router_command = pinned(options.proxy_core, &tools::program(Self::Hardwire, options)?);
        router(&mut router_command, &[("--listen", unused), ("--management", management), ("--extproc", service)]);
        let log = |who: &str| dir.join(format!("{name}-{who}.log"));
        let router = Running::start("the router beside Envoy", router_command, service, &log("router")).await?;
        let config = tools::envoy_configuration(port, service, &[]).await?;
        let path = dir.join(format!("{name}.yaml"));
        std::fs::write(&path, config)?;
        let mut command = pinned(options.proxy_core, &tools::program(Self::Envoy, options)?);
        command.arg("-c").arg(path).args(["--concurrency", "1", "--log-level", "warn", "--disable-hot-restart"]);
        let envoy = Running::start(name, command, port, &log("envoy")).await?;
        Ok(if self == Self::Extproc { router.with(envoy.unmeasured()) } else { envoy.with(router) })
    }
}

/// `proxy_request_buffering off`: nginx then passes a body on as it comes. With it on and memory enough for a whole body, a
/// megabyte costs nginx twice as much, in page faults, so this is the harder opponent.
fn nginx(command: &mut Command, dir: &Path, port: u16) -> Result<(), Failure> {
    let config = format!(
        "daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    tcp_nodelay on;
    keepalive_timeout 3600s;
    keepalive_requests 1000000000;
    client_max_body_size 32m;
    client_body_buffer_size 128k;
    upstream mock {{
        server 127.0.0.1:{UPSTREAM_PORT};
        keepalive 512;
        keepalive_timeout 3600s;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://mock;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_request_buffering off;
            proxy_buffering off;
            proxy_read_timeout 300s;
        }}
    }}
}}
"
    );
    let prefix = dir.join("nginx");
    std::fs::create_dir_all(&prefix)?;
    std::fs::write(prefix.join("nginx.conf"), config)?;
    command.arg("-e").arg("stderr").arg("-p").arg(&prefix).arg("-c").arg(prefix.join("nginx.conf"));
    Ok(())
}

/// One worker, no access log, and these ports in place of the document's.
pub(crate) fn router(command: &mut Command, ports: &[(&str, u16)]) {
    for (flag, port) in ports {
        command.arg(flag).arg(format!("127.0.0.1:{port}"));
    }
    command.args(["--workers", "1"]).env("HARDWIRE_LOG", "info,access=off");
}

/// One worker thread, the connection manager and the router filter. No request ids, and limits that are never reached.
fn envoy(command: &mut Command, dir: &Path, port: u16) -> Result<(), Failure> {
    let address = |port: u16| format!("{{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}");
    let (listen, upstream) = (address(port), address(UPSTREAM_PORT));
    let filters = "type.googleapis.com/envoy.extensions.filters";
    let config = format!(
        "static_resources:
  listeners:
  - address: {listen}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          \"@type\": {filters}.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          generate_request_id: false
          route_config:
            virtual_hosts:
            - {{name: all, domains: [\"*\"], routes: [{{match: {{prefix: /}}, route: {{cluster: mock, timeout: 300s}}}}]}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{\"@type\": {filters}.http.router.v3.Router}}
  clusters:
  - name: mock
    type: STATIC
    connect_timeout: 5s
    circuit_breakers: {{thresholds: [{{max_connections: 4096, max_pending_requests: 4096, max_requests: 4096}}]}}
    load_assignment: {{cluster_name: mock, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {upstream}}}}}]}}]}}
"
    );
    let path = dir.join("envoy.yaml");
    std::fs::write(&path, config)?;
    command.arg("-c").arg(path).args(["--concurrency", "1", "--log-level", "warn", "--disable-hot-restart"]);
    Ok(())
}
