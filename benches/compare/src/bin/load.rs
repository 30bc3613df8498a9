//! Asks a proxy for chat completions, checks every answer, and reports what they cost.
//!
//! Closed loop: so many connections, each asking again as soon as it has its answer. With `--rate`, an open loop: so many
//! requests begin each second, on idle connections or new ones. The CPU time of `--pid` processes is read right before and
//! right after the measured requests, so that start-up and warm-up are not in it. Prints one line of JSON.

use hardwire_compare::chat::{self, Api, Kind};
use hardwire_compare::flags::{self, Failure};
use hardwire_compare::report::Report;
use hardwire_compare::wire::{Side, Wire};
use hardwire_compare::{cpu, stats};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::JoinSet;

struct Options {
    target: String,
    model: String,
    /// Answers are streams that are not the same through every proxy: their texts are checked.
    counted: bool,
    api: Api,
    kind: Kind,
    body_bytes: usize,
    connections: usize,
    requests: u64,
    warmup: u64,
    /// Requests begun each second, in place of the closed loop.
    rate: Option<u64>,
    pids: Vec<u32>,
}

/// What all connections share.
struct Run {
    target: String,
    request: Vec<u8>,
    /// Bytes that the body of an answer has. `None`: its texts are checked.
    expected: Option<u64>,
    stream: bool,
    api: Api,
    left: Cell<u64>,
    idle: RefCell<Vec<Wire>>,
    /// The latest response that was told.
    response: RefCell<Option<String>>,
    tally: RefCell<Tally>,
}

#[derive(Default)]
struct Tally {
    total_ns: Vec<u64>,
    first_ns: Vec<u64>,
    errors: u64,
    first_error: Option<String>,
}

fn ns(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

impl Run {
    /// One request on one connection, checked; times from its first byte out.
    async fn ask(&self, wire: &mut Wire) -> Result<(u64, u64), Failure> {
        let begun = Instant::now();
        wire.write(&self.request).await?;
        let head = wire.head(Side::Response).await?.ok_or("closed before the answer")?;
        if head.status != 200 {
            return Err(format!("status {}", head.status).into());
        }
        let mut whole = Vec::new();
        let (mut first, mut length, mut tail) = (0, 0_u64, [0_u8; chat::DONE.len()]);
        let sink = |bytes: &[u8]| {
            if length == 0 {
                first = ns(begun);
            }
            length += bytes.len() as u64;
            if self.expected.is_none() {
                whole.extend_from_slice(bytes);
            }
            let keep = bytes.len().min(tail.len());
            tail.rotate_left(keep);
            let at = tail.len() - keep;
            tail[at..].copy_from_slice(&bytes[bytes.len() - keep..]);
        };
        wire.body(head.framing, sink).await?;
        match self.expected {
            None => {
                chat::check(self.api, &whole)?;
                if let Some(id) = chat::response_id(&whole) {
                    self.response.replace(Some(id.to_owned()));
                }
            }
            Some(expected) if length != expected => {
                return Err(format!("{length} bytes of body, not {expected}").into());
            }
            _ => {}
        }
        if self.stream && tail != chat::DONE {
            return Err("no [DONE] at the end".into());
        }
        if head.close {
            return Err("the proxy closes after an answer".into());
        }
        Ok((ns(begun), first))
    }

    /// The latest response that was told is stored as it was told. Not part of what is measured.
    async fn check_stored(&self) -> Result<(), Failure> {
        let Some(id) = self.response.take() else { return Ok(()) };
        let mut wire = self.connect().await?;
        wire.write(&chat::stored(&self.target, &id)).await?;
        let head = wire.head(Side::Response).await?.ok_or("closed before the stored response")?;
        let mut body = Vec::new();
        wire.body(head.framing, |bytes| body.extend_from_slice(bytes)).await?;
        let is_stored = head.status == 200 && chat::response_id(&body) == Some(&*id) && chat::has_whole_text(&body);
        if is_stored { Ok(()) } else { Err(format!("{id} is not stored").into()) }
    }

    async fn connect(&self) -> Result<Wire, Failure> {
        Ok(Wire::new(TcpStream::connect(&self.target).await?)?)
    }

    /// One request on an idle connection or a new one; the connection is kept where the answer was good.
    async fn one(&self) {
        let idle = self.idle.borrow_mut().pop();
        let outcome = async {
            let mut wire = match idle {
                Some(wire) => wire,
                None => self.connect().await?,
            };
            let times = self.ask(&mut wire).await?;
            self.idle.borrow_mut().push(wire);
            Ok::<_, Failure>(times)
        };
        let outcome = outcome.await;
        let mut tally = self.tally.borrow_mut();
        match outcome {
            Ok((total, first)) => {
                tally.total_ns.push(total);
                tally.first_ns.push(first);
            }
            Err(error) => {
                tally.errors += 1;
                tally.first_error.get_or_insert_with(|| error.to_string());
            }
        }
    }

    /// Takes one of the requests that are left.
    fn take(&self) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left > 0
    }
}

async fn drive(run: &Rc<Run>, options: &Options, requests: u64) {
    run.left.set(requests);
    let mut tasks = JoinSet::new();
    if let Some(rate) = options.rate {
        let mut tick = tokio::time::interval(Duration::from_micros(1_000_000 / rate.max(1)));
        while run.take() {
            tick.tick().await;
            let run = Rc::clone(run);
            tasks.spawn_local(async move { run.one().await });
        }
    } else {
        for _ in 0..options.connections {
            let run = Rc::clone(run);
            tasks.spawn_local(async move {
                while run.take() {
                    run.one().await;
                }
            });
        }
    }
    while tasks.join_next().await.is_some() {}
}

async fn measure(options: &Options) -> Report {
    let stream = options.kind != Kind::Plain;
    let expected = if stream { chat::events().concat().len() } else { chat::plain_answer().len() };
    let run = Rc::new(Run {
        target: options.target.clone(),
        request: chat::request(options.api, &options.target, &options.model, options.kind, options.body_bytes),
        expected: (!options.counted).then_some(expected as u64),
        stream,
        api: options.api,
        left: Cell::new(0),
        idle: RefCell::default(),
        response: RefCell::default(),
        tally: RefCell::default(),
    });
    drive(&run, options, options.warmup).await;
    let mut tally = run.tally.take();
    // What went wrong while warming up went wrong all the same.
    *run.tally.borrow_mut() = Tally { errors: tally.errors, first_error: tally.first_error.take(), ..Tally::default() };
    let (begun, before) = (Instant::now(), cpu::times(&options.pids));
    drive(&run, options, options.requests).await;
    let used = cpu::times(&options.pids).since(before);
    let seconds = begun.elapsed().as_secs_f64();
    if let Err(error) = run.check_stored().await {
        let mut tally = run.tally.borrow_mut();
        tally.errors += 1;
        tally.first_error.get_or_insert_with(|| error.to_string());
    }
    let mut tally = run.tally.take();
    #[expect(clippy::cast_precision_loss, reason = "times and counts far below 2^52")]
    let us = |ns: u64| ns as f64 / 1000.0;
    #[expect(clippy::cast_precision_loss, reason = "as above")]
    let count = options.requests.max(1) as f64;
    Report {
        requests: options.requests,
        errors: tally.errors,
        first_error: tally.first_error,
        seconds,
        cpu_us: us(used.run) / count,
        wait_us: us(used.wait) / count,
        p50_us: us(stats::percentile(&mut tally.total_ns, 0.5)),
        p99_us: us(stats::percentile(&mut tally.total_ns, 0.99)),
        first_byte_us: us(stats::percentile(&mut tally.first_ns, 0.5)),
    }
}

fn kind(name: &str) -> Result<Kind, Failure> {
    match (name, name.strip_prefix("paced-").map(str::parse)) {
        ("plain", _) => Ok(Kind::Plain),
        ("burst", _) => Ok(Kind::Burst),
        ("writes", _) => Ok(Kind::Writes),
        (_, Some(Ok(ms))) => Ok(Kind::Paced(ms)),
        _ => Err(format!("`{name}` is none of plain, burst, writes, paced-MILLISECONDS").into()),
    }
}

#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
fn main() -> Result<(), Failure> {
    let mut options = Options {
        target: "127.0.0.1:8801".into(),
        model: "chat".into(),
        counted: false,
        api: Api::Chat,
        kind: Kind::Plain,
        body_bytes: 1024,
        connections: 32,
        requests: 10_000,
        warmup: 1_000,
        rate: None,
        pids: Vec::new(),
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            lexopt::Arg::Long("target") => options.target = flags::value(&mut parser)?,
            lexopt::Arg::Long("model") => options.model = flags::value(&mut parser)?,
            lexopt::Arg::Long("counted") => options.counted = true,
            lexopt::Arg::Long("responses") => options.api = Api::Responses,
            lexopt::Arg::Long("kind") => options.kind = kind(&flags::value::<String>(&mut parser)?)?,
            lexopt::Arg::Long("body-bytes") => options.body_bytes = flags::value(&mut parser)?,
            lexopt::Arg::Long("connections") => options.connections = flags::value(&mut parser)?,
            lexopt::Arg::Long("requests") => options.requests = flags::value(&mut parser)?,
            lexopt::Arg::Long("warmup") => options.warmup = flags::value(&mut parser)?,
            lexopt::Arg::Long("rate") => options.rate = Some(flags::value(&mut parser)?),
            lexopt::Arg::Long("pid") => options.pids.push(flags::value(&mut parser)?),
            _ => return Err(arg.unexpected().into()),
        }
    }
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let report = runtime.block_on(measure(&options));
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}
