//! The command line.

use crate::proxies::Proxy;
use crate::scenario::Scenario;
use hardwire_compare::flags::{self, Failure};
use std::path::PathBuf;
use std::time::Duration;

const HELP: &str = "compare: what the router costs next to other proxies

  --rounds N            rounds over all proxies, for each scenario (default 5)
  --proxies A,B         of nginx, envoy, bare, hardwire, envoy+extproc, extproc; ratios are to the first (default: all)
  --latency             instead: how long Envoy waits for the router, and for a service that does nothing
  --scenarios A,B       of plain, large, burst, writes, translated, translated-writes, responses, responses-writes, paced (default: all)
  --json FILE           every sample, as JSON
  --hardwire FILE       a router that is already built from benches/compare/router-config.yaml
  --max-seconds N       give up after this long (default 900)
  --proxy-core N        core of the proxies (default 0)
  --load-core N         core of the mock upstream and the load generator (default 1)";

/// What to run, and how.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) scenarios: Vec<Scenario>,
    /// Not the comparison, but how long Envoy waits.
    pub(crate) latency: bool,
    pub(crate) json: Option<PathBuf>,
    pub(crate) hardwire: Option<PathBuf>,
    /// The bound on the whole second stage.
    pub(crate) limit: Duration,
    pub(crate) proxy_core: usize,
    pub(crate) load_core: usize,
    /// This is the second stage.
    pub(crate) inside: bool,
}

impl Options {
    /// Reads the command line. Prints the help and ends the process where it is asked for.
    #[expect(clippy::print_stdout, reason = "help goes to standard output")]
    pub(crate) fn from_args() -> Result<Self, Failure> {
        let mut options = Self {
            rounds: 5,
            proxies: Proxy::ALL.to_vec(),
            scenarios: Scenario::ALL.to_vec(),
            latency: false,
            json: None,
            hardwire: None,
            limit: Duration::from_secs(900),
            proxy_core: 0,
            load_core: 1,
            inside: false,
        };
        let mut chosen = false;
        let mut parser = lexopt::Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                lexopt::Arg::Long("rounds") => options.rounds = flags::value(&mut parser)?,
                lexopt::Arg::Long("proxies") => {
                    options.proxies = list(&mut parser, &Proxy::ALL, Proxy::name)?;
                    chosen = true;
                }
                lexopt::Arg::Long("scenarios") => {
                    options.scenarios = list(&mut parser, &Scenario::ALL, |scenario| scenario.name)?;
                    chosen = true;
                }
                lexopt::Arg::Long("latency") => options.latency = true,
                lexopt::Arg::Long("json") => options.json = Some(std::path::absolute(parser.value()?)?),
                lexopt::Arg::Long("hardwire") => options.hardwire = Some(std::path::absolute(parser.value()?)?),
                lexopt::Arg::Long("max-seconds") => options.limit = Duration::from_secs(flags::value(&mut parser)?),
                lexopt::Arg::Long("proxy-core") => options.proxy_core = flags::value(&mut parser)?,
                lexopt::Arg::Long("load-core") => options.load_core = flags::value(&mut parser)?,
                lexopt::Arg::Long("inside") => options.inside = true,
                lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                    println!("{HELP}");
                    std::process::exit(0);
                }
                _ => return Err(arg.unexpected().into()),
            }
        }
        if options.rounds == 0 {
            return Err("`--rounds` is at least 1".into());
        }
        if options.latency {
            if chosen {
                return Err("`--latency` has proxies and traffic of its own".into());
            }
            options.proxies = vec![Proxy::Envoy, Proxy::Hardwire, Proxy::EnvoyExtproc];
        }
        if options.proxy_core == options.load_core {
            return Err("the proxies need a core of their own".into());
        }
        Ok(options)
    }
}

/// The entries of a comma-separated flag, in its order.
fn list<T: Copy>(parser: &mut lexopt::Parser, all: &[T], name: fn(T) -> &'static str) -> Result<Vec<T>, Failure> {
    let text: String = flags::value(parser)?;
    let find = |wanted: &str| {
        let known = || all.iter().map(|&one| name(one)).collect::<Vec<_>>().join(", ");
        all.iter().copied().find(|&one| name(one) == wanted).ok_or_else(|| format!("`{wanted}` is none of {}", known()))
    };
    Ok(text.split(',').map(find).collect::<Result<_, _>>()?)
}
