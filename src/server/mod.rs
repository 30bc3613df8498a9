//! The process: flags, environment, sockets, workers, the apiserver, and the way down.
//!
//! It puts the faces together and knows no protocol. The generated tables are an argument, so that anything that was baked
//! can be run.

mod banner;
mod explain;
mod flags;
mod overseer;
mod sockets;
mod worker;

use crate::apiserver::Api;
use crate::dispatch;
use crate::env::{Env, Missing};
#[cfg(feature = "extproc")]
use crate::extproc::{Tls, TlsError};
use crate::ingress::Shared;
use crate::openapi::{self, Face};
use crate::responses::store::{Open, OpenError, Place};
use crate::routing::catalog::Catalog;
use crate::routing::{self, Routing, signals};
use crate::table::Tables;
#[cfg(feature = "extproc")]
use crate::table::Text;
use crate::telemetry::log::{self, LogError};
use crate::telemetry::metrics::{Recorder, Registry};
use crate::upstream::{Fleet, FleetError};
use banner::Banner;
use flags::{Command, Options};
use overseer::{Overseer, Signals};
use sockets::BindError;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;
use tokio::sync::{mpsc, watch};
use worker::{Running, Worker};

/// Why the process ends, if not because it was asked to. One line.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0}; `hardwire --help` tells the flags")]
    Flags(#[from] lexopt::Error),
    #[error(transparent)]
    Missing(#[from] Missing),
    #[error(transparent)]
    Fleet(#[from] FleetError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the baked signals cannot be used on this machine: {0}")]
    Signals(#[from] signals::Error),
    #[error(transparent)]
    Explain(#[from] routing::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(
        "this binary was built without the service for Envoy, and the document has `hardwire.extproc`: build it with the \
         default features, or take the block out"
    )]
    #[cfg(not(feature = "extproc"))]
    NoExtProc,
    #[error("--extproc: the document has no `hardwire.extproc`")]
    ExtProcOff,
    #[error("hardwire.extproc.tls: {0}")]
    #[cfg(feature = "extproc")]
    Tls(#[from] TlsError),
    #[error("a worker ended before it should; the log says why")]
    WorkerLost,
}

impl Error {
    /// 2 for what the operator must mend before the router can start, 1 for what went wrong later.
    fn exit_code(&self) -> ExitCode {
        ExitCode::from(if matches!(self, Error::WorkerLost) { 1 } else { 2 })
    }
}

/// Runs the command line of a baked router, which opens its store of responses with `responses` if it has one.
pub fn main(tables: &'static Tables, responses: Option<Open>) -> ExitCode {
    match command(tables, responses) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if this fails.
            let _ = writeln!(io::stderr(), "hardwire: {error}");
            error.exit_code()
        }
    }
}

fn command(tables: &'static Tables, responses: Option<Open>) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match flags::parse(std::env::args_os().skip(1))? {
        Command::Help => write!(out, "{}", flags::HELP)?,
        Command::Version => {
            let config = &tables.config;
            writeln!(out, "hardwire {} ({} sha256:{})", env!("CARGO_PKG_VERSION"), config.source, config.sha256)?;
        }
        Command::Env => {
            for var in tables.env {
                let default = var.default.map_or_else(|| "required".to_owned(), |text| format!("default `{text}`"));
                writeln!(out, "{}\t{default}\t{}", var.name, var.wanted_by.join(", "))?;
            }
        }
        Command::Explain(question) => explain::explain(tables, &question, &mut out)?,
        Command::Serve(options) => {
            drop(out);
            serve(tables, responses, &options)?;
        }
    }
    Ok(())
}

/// Lets the allocator keep what a large answer takes and frees again and again. glibc hands memory back once 128 KiB are free
/// at the end of a heap, only to take it again page fault by page fault: a quarter of the cost of such an answer. Freeing one
/// large block raises that bound to twice its size. Other allocators do not mind.
fn settle_allocator() {
    drop(std::hint::black_box(vec![0_u8; 512 * 1024]));
}

/// What the service for Envoy shows, where it speaks TLS.
#[cfg(feature = "extproc")]
fn extproc_tls(tables: &Tables, env: &Env) -> Result<Option<Tls>, TlsError> {
    let Some(tls) = tables.extproc.and_then(|service| service.tls) else { return Ok(None) };
    let file = |text: &Text| std::path::PathBuf::from(&*env.text(text));
    let clients = tls.client_ca_file.as_ref().map(file);
    Tls::read(&file(&tls.cert_file), &file(&tls.key_file), clients.as_deref()).map(Some)
}

fn serve(tables: &'static Tables, responses: Option<Open>, options: &Options) -> Result<(), Error> {
    #[cfg(not(feature = "extproc"))]
    if tables.extproc.is_some() {
        return Err(Error::NoExtProc);
    }
    if tables.extproc.is_none() && options.extproc.is_some() {
        return Err(Error::ExtProcOff);
    }
    settle_allocator();
    let log_format = log::init(options.log)?;
    let env = Arc::new(Env::read(tables, |name| std::env::var(name).ok())?);
    let fleet = Arc::new(Fleet::new(tables, &env, options.ca_file.as_deref())?);
    let routing = Arc::new(Routing::new(tables)?);
    let place = Place { env: &env, ca_file: options.ca_file.as_deref() };
    let stores = responses.map(|open| open(&place)).transpose()?.map(Arc::new);
    let workers = options.workers.or_else(|| std::thread::available_parallelism().ok()).map_or(1, usize::from);
    #[cfg(feature = "extproc")]
    let tls = extproc_tls(tables, &env)?;
    let public = sockets::bind_public(tables, options.listen, workers)?;
    let extproc = sockets::bind_extproc(tables, options.extproc, workers)?;
    let management = sockets::bind_management(tables, options.management)?;

    // Before anybody is told that the router is there: from then on it may be asked to stop.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = {
        let _in_runtime = runtime.enter();
        Signals::new()?
    };

    let started = SystemTime::now();
    let catalog = Arc::new(Catalog::new(tables, started));
    let reasons = Arc::clone(&routing);
    let held = stores.as_ref().and_then(|stores| stores.held()).cloned();
    let shared = Shared { tables, routing, catalog: Arc::clone(&catalog), stores };
    let banner = Banner {
        tables,
        listeners: &public.iter().map(|bound| bound.address).collect::<Vec<_>>(),
        extproc: extproc.as_ref().map(|bound| bound.address),
        management: management.local_addr()?,
        workers,
    };
    match log_format {
        log::Format::Text => write!(io::stdout().lock(), "{banner}")?,
        log::Format::Json => tracing::info!(serving = %banner, "started"),
    }

    let (stop, stopping) = watch::channel(false);
    let (cut, is_cut) = watch::channel(false);
    let (tell, ended) = mpsc::channel(1);
    let recorders: Vec<Arc<Recorder>> = (0..workers).map(|_| Arc::new(Recorder::new(tables))).collect();
    let mut sockets: Vec<_> = public.into_iter().map(|bound| bound.sockets.into_iter()).collect();
    let mut extproc = extproc.map(|bound| bound.sockets.into_iter());
    for (number, recorder) in recorders.iter().enumerate() {
        let worker = Worker {
            shared: shared.clone(),
            env: Arc::clone(&env),
            fleet: Arc::clone(&fleet),
            recorder: Arc::clone(recorder),
            sockets: sockets.iter_mut().filter_map(Iterator::next).collect(),
            extproc: extproc.as_mut().and_then(Iterator::next),
            #[cfg(feature = "extproc")]
            tls: tls.clone(),
            stopping: stopping.clone(),
            cut: is_cut.clone(),
            running: Running::new(tell.clone(), stopping.clone()),
        };
        worker.start(number)?;
    }
    drop(tell);

    let state = Arc::clone(&fleet);
    let mut registry = Registry::with_backend_state(tables, recorders, move |id| state.state(id));
    if let Some(held) = held {
        registry = registry.with_stored(move || (held.responses(), held.bytes()));
    }
    let draining = Arc::new(AtomicBool::new(false));
    let face = Face {
        tag: "public",
        ports: tables.listeners.iter().map(|listener| listener.port).collect(),
        error: openapi::PUBLIC_ERROR,
        operations: dispatch::operations(),
    };
    let api = Api::new(tables, reasons, registry, catalog, started, Arc::clone(&draining)).beside(&[face]);
    let api = Arc::new(api);
    runtime.block_on(Overseer { tables, fleet, api, management, draining, signals, stop, cut, ended }.run())
}
