//! A worker: one thread, one single-threaded runtime, its own sockets and its own connections to the backends.

use crate::env::Env;
#[cfg(feature = "extproc")]
use crate::extproc::{self, Bounds, Face, Service, Tls};
use crate::ingress::{Ingress, Shared, serve};
use crate::telemetry::metrics::Recorder;
use crate::upstream::{Fleet, Upstream};
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::{io, thread};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, watch};

/// What a worker is given.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) shared: Shared,
    pub(super) env: Arc<Env>,
    pub(super) fleet: Arc<Fleet>,
    pub(super) recorder: Arc<Recorder>,
    /// In the order of the tables' listeners.
    pub(super) sockets: Vec<TcpListener>,
    /// That of the service for Envoy.
    #[cfg_attr(
        not(feature = "extproc"),
        allow(dead_code, reason = "start-up has refused a document that has the service")
    )]
    pub(super) extproc: Option<TcpListener>,
    #[cfg(feature = "extproc")]
    pub(super) tls: Option<Tls>,
    pub(super) stopping: watch::Receiver<bool>,
    /// True when what is under way must end.
    pub(super) cut: watch::Receiver<bool>,
    pub(super) running: Running,
}

/// Held by a worker as long as it runs. That all are gone says that the workers have nothing left to do; a message says that
/// one ended before it should.
#[derive(Debug)]
pub(super) struct Running {
    tell: mpsc::Sender<()>,
    stopping: watch::Receiver<bool>,
}

impl Running {
    pub(super) fn new(tell: mpsc::Sender<()>, stopping: watch::Receiver<bool>) -> Self {
        Running { tell, stopping }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !*self.stopping.borrow() {
            // Full: another worker has told already.
            let _ = self.tell.try_send(());
        }
    }
}

impl Worker {
    /// Starts the thread.
    pub(super) fn start(self, number: usize) -> io::Result<()> {
        let runtime = move || Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        thread::Builder::new().name(format!("worker-{number}")).spawn(move || match runtime() {
            Ok(runtime) => {
                let running = runtime.block_on(self.run());
                // What still runs ends with the runtime, and is told of.
                drop(runtime);
                drop(running);
            }
            Err(error) => tracing::error!(%error, "a worker cannot start"),
        })?;
        Ok(())
    }

    async fn run(mut self) -> Running {
        let tables = self.shared.tables;
        let upstream = Upstream::new(tables, self.fleet, Arc::clone(&self.recorder));
        let store = self.shared.stores.as_ref().map(|stores| stores.worker());
        let mut serving = tokio::task::JoinSet::new();
        for (listener, socket) in tables.listeners.iter().zip(self.sockets) {
            let recorder = Arc::clone(&self.recorder);
            let (shared, upstream, store) = (&self.shared, Rc::clone(&upstream), store.clone());
            let ingress = Rc::new(Ingress::new(shared, listener, &self.env, upstream, recorder, store));
            match tokio::net::TcpListener::from_std(socket) {
                Ok(socket) => {
                    serving.spawn_local(serve(socket, ingress, self.stopping.clone()));
                }
                Err(error) => tracing::error!(%error, listener = listener.name, "a worker cannot listen"),
            }
        }
        #[cfg(feature = "extproc")]
        if let (Some(service), Some(socket)) = (&tables.extproc, self.extproc) {
            let Shared { routing, catalog, .. } = &self.shared;
            let (routing, catalog) = (Arc::clone(routing), Arc::clone(catalog));
            let recorder = Arc::clone(&self.recorder);
            let face = Face::new(tables, routing, catalog, &self.env, Rc::clone(&upstream), recorder, store);
            let bounds = Bounds {
                max_message_bytes: service.max_message_bytes as usize,
                max_streams: service.max_streams,
                message_timeout: service.message_timeout,
                connect_timeout: tables.limits.header_timeout,
            };
            match tokio::net::TcpListener::from_std(socket) {
                Ok(socket) => {
                    let service = Service::new(face, bounds, self.tls);
                    serving.spawn_local(extproc::serve(socket, service, self.stopping.clone()));
                }
                Err(error) => tracing::error!(%error, "a worker cannot serve Envoy"),
            }
        }
        tokio::select! {
            () = async { while serving.join_next().await.is_some() {} } => (),
            _ = self.cut.wait_for(|cut| *cut) => self.recorder.end(),
        }
        self.running
    }
}
