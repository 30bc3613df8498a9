//! Programs that this one started: pinned to a core, waited for, and ended with it.

use hardwire_compare::flags::Failure;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// How long a program may take to listen, and to end when asked.
const PATIENCE: Duration = Duration::from_secs(15);

/// A program that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    name: String,
    child: Child,
    /// Another that belongs to it.
    beside: Option<Box<Running>>,
    /// What it costs counts.
    is_measured: bool,
}

/// The command that runs a program on one core. `taskset` becomes the program, so their process ids are the same.
pub(crate) fn pinned(core: usize, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.arg("--cpu-list").arg(core.to_string()).arg(program).stdin(Stdio::null());
    command
}

impl Running {
    /// Starts it, with its output in `log`, and waits until it listens on this port.
    pub(crate) async fn start(name: &str, mut command: Command, port: u16, log: &Path) -> Result<Self, Failure> {
        let output = std::fs::File::create(log)?;
        command.stdout(output.try_clone()?).stderr(output);
        let mut running = Self::spawn(name, command)?;
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if let Some(status) = running.child.try_wait()? {
                return Err(format!("{name} ended ({status}); see {}", log.display()).into());
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("{name} does not listen on port {port}; see {}", log.display()).into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(running)
    }

    /// Starts one that is expected to end by itself.
    pub(crate) fn spawn(name: &str, mut command: Command) -> Result<Self, Failure> {
        let child = command.spawn().map_err(|error| format!("{name}: {error}"))?;
        Ok(Self { name: name.into(), child, beside: None, is_measured: true })
    }

    /// Waits for its end; where that does not come, fails, and so ends it.
    pub(crate) async fn wait(mut self, limit: Duration) -> Result<ExitStatus, Failure> {
        let begun = Instant::now();
        while begun.elapsed() < limit {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!("{} is not done after {} s", self.name, limit.as_secs()).into())
    }

    /// This one and another, as one.
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.beside = Some(Box::new(other));
        self
    }

    /// It is needed, and what it costs does not count.
    pub(crate) fn unmeasured(mut self) -> Self {
        self.is_measured = false;
        self
    }

    /// The process ids of what counts. Workers are children of these.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let beside = self.beside.as_ref().map(|other| other.pids());
        self.is_measured.then(|| self.child.id()).into_iter().chain(beside.into_iter().flatten()).collect()
    }

    /// Fails where it is no longer there.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        if let Some(status) = self.child.try_wait()? {
            return Err(format!("{} ended ({status})", self.name).into());
        }
        self.beside.as_mut().map_or(Ok(()), |other| other.check())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // Asked first: a master that is killed leaves its workers behind.
        let asked = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        let begun = Instant::now();
        while asked.is_ok() && begun.elapsed() < PATIENCE {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                _ => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
