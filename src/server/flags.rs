//! The command line of the baked router. Few flags: what a router does is compiled in.

use crate::telemetry::log::Format;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// What `--help` prints.
pub(super) const HELP: &str = "\
Serves the router that was compiled into this binary.

Usage: hardwire [OPTIONS]
       hardwire explain PROMPT [--model NAME] [--user NAME] [--groups LIST] [--json]

Options:
      --listen ADDR:PORT      Listen here instead of the first listener's address
      --extproc ADDR:PORT     Serve Envoy here instead of the configured address; needs `hardwire.extproc`
      --management ADDR:PORT  Serve the apiserver here instead of its configured address
      --workers N             Worker threads, one runtime each [default: one for each core]
      --ca-file FILE          Trust the certificates in this PEM file too, for https backends and Redis
      --log text|json         Log format [default: text]
      --env                   Print the environment variables that are read at start-up, and exit
  -V, --version               Print the version and the configuration's hash, and exit
  -h, --help                  Print this, and exit

Explaining why a request goes where it goes, without serving or sending anything:
      PROMPT                  What the user wrote; - reads it from standard input
      --model NAME            The model that the request asks for [default: the first virtual name]
      --user NAME             Who sends the request; needed where a decision asks for a role
      --groups LIST           The groups of this user, set apart by commas
      --json                  Print what POST /api/v1/eval?trace=true answers

Environment:
  HARDWIRE_LOG                What is logged: error, warn, info (default), debug, or target=level,…
                              The access log is the target `access`: HARDWIRE_LOG=info,access=off
  HARDWIRE_LOG_FORMAT         text or json, where --log is not given
";

/// What is to be done.
#[derive(Debug)]
pub(super) enum Command {
    /// Serve.
    Serve(Options),
    /// Explain what would become of a request.
    Explain(Question),
    /// Print the environment variables.
    Env,
    /// Print the version.
    Version,
    /// Print the help.
    Help,
}

/// What is to be explained.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// What the user wrote; `-` for standard input.
    pub prompt: String,
    /// The model that is asked for.
    pub model: Option<String>,
    /// Who asks; empty where nobody is told.
    pub user: String,
    /// The groups of the user, set apart by commas.
    pub groups: String,
    /// Whether the answer is for programs.
    pub json: bool,
}

/// How to serve.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// In place of the first listener's address.
    pub listen: Option<SocketAddr>,
    /// In place of the address of the service for Envoy.
    pub extproc: Option<SocketAddr>,
    /// In place of the apiserver's address.
    pub management: Option<SocketAddr>,
    /// Worker threads.
    pub workers: Option<NonZeroUsize>,
    /// Further trust anchors.
    pub ca_file: Option<PathBuf>,
    /// Log format.
    pub log: Option<Format>,
}

/// Reads the command line, without the program's name.
pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, lexopt::Error> {
    use lexopt::prelude::{Long, Short, Value, ValueExt};
    let mut parser = lexopt::Parser::from_args(args);
    let mut options = Options::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Value(command) if command == "explain" => return question(parser),
            Long("listen") => options.listen = Some(parser.value()?.parse()?),
            Long("extproc") => options.extproc = Some(parser.value()?.parse()?),
            Long("management") => options.management = Some(parser.value()?.parse()?),
            Long("workers") => options.workers = Some(parser.value()?.parse()?),
            Long("ca-file") => options.ca_file = Some(parser.value()?.into()),
            Long("log") => options.log = Some(parser.value()?.parse()?),
            Long("env") => return Ok(Command::Env),
            Long("version") | Short('V') => return Ok(Command::Version),
            Long("help") | Short('h') => return Ok(Command::Help),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Command::Serve(options))
}

fn question(mut parser: lexopt::Parser) -> Result<Command, lexopt::Error> {
    use lexopt::prelude::{Long, Short, Value, ValueExt};
    let (mut prompt, mut model, mut json) = (None, None, false);
    let (mut user, mut groups) = (String::new(), String::new());
    while let Some(arg) = parser.next()? {
        match arg {
            Value(text) if prompt.is_none() => prompt = Some(text.string()?),
            Long("model") => model = Some(parser.value()?.string()?),
            Long("user") => user = parser.value()?.string()?,
            Long("groups") => groups = parser.value()?.string()?,
            Long("json") => json = true,
            Long("help") | Short('h') => return Ok(Command::Help),
            other => return Err(other.unexpected()),
        }
    }
    let prompt = prompt.ok_or("`hardwire explain` needs a prompt")?;
    Ok(Command::Explain(Question { prompt, model, user, groups, json }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags() {
        let Ok(Command::Serve(options)) =
            parse(["--listen", "127.0.0.1:0", "--workers=2", "--log", "json"].map(Into::into))
        else {
            panic!("these are good flags");
        };
        assert_eq!(options.listen, Some(([127, 0, 0, 1], 0).into()));
        assert_eq!(options.workers, NonZeroUsize::new(2));
        assert_eq!(options.log, Some(Format::Json));
    }

    #[test]
    fn questions() {
        let Ok(Command::Explain(question)) =
            parse(["explain", "--json", "why?", "--model", "x", "--user", "u", "--groups", "g,h"].map(Into::into))
        else {
            panic!("these are good flags");
        };
        let (user, groups) = ("u".into(), "g,h".into());
        assert_eq!(question, Question { prompt: "why?".into(), model: Some("x".into()), user, groups, json: true });
    }

    #[test]
    fn bad_flags_are_named() {
        for (args, part) in [
            (vec!["--listen", "8801"], "8801"),
            (vec!["--workers", "0"], "0"),
            (vec!["--port", "1"], "--port"),
            (vec!["serve"], "serve"),
            (vec!["explain"], "needs a prompt"),
            (vec!["explain", "a", "b"], "b"),
            (vec!["--json"], "--json"),
            (vec!["--log", "xml"], "xml"),
        ] {
            let error = parse(args.into_iter().map(OsString::from)).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
