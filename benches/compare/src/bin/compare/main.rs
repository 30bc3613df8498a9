//! Runs proxies side by side over one mock upstream and prints what each costs, as ratios to the first.
//!
//! Two stages. The first builds and finds the programs, with the network as it is. The second runs in a network namespace of
//! its own, where loopback is quiet and the congestion control is the same every time. See benches/README.md.

mod latency;
mod options;
mod place;
mod proxies;
mod rounds;
mod running;
mod scenario;
mod table;
mod tools;
mod waits;

use hardwire_compare::flags::Failure;
use options::Options;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

#[expect(clippy::print_stderr, reason = "a tool says on the terminal why it failed")]
fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, Failure> {
    let options = Options::from_args()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        // Whatever ends first: what is dropped here ends the programs that were started.
        tokio::select! {
            outcome = stage(&options) => outcome,
            _ = interrupt.recv() => Err("interrupted".into()),
            _ = terminate.recv() => Err("terminated".into()),
        }
    })
}

async fn stage(options: &Options) -> Result<ExitCode, Failure> {
    if options.inside {
        measure(options).await?;
        return Ok(ExitCode::SUCCESS);
    }
    tools::prepare(options).await?;
    place::enter(options).await
}

#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
async fn measure(options: &Options) -> Result<(), Failure> {
    let place = place::Place::settle(options).await?;
    let facts = place.facts().await;
    println!("{}", facts.lines());
    let (text, json) = if options.latency {
        let samples = latency::run(options).await?;
        (waits::render(&samples), table::json(&facts, &samples)?)
    } else {
        let samples = rounds::run(options).await?;
        (table::render(options, &samples), table::json(&facts, &samples)?)
    };
    println!("{text}");
    if let Some(path) = &options.json {
        std::fs::write(path, json)?;
    }
    Ok(())
}
