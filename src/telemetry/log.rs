//! Logs go to standard error, as text for people or JSON for machines, filtered by level and target.
//!
//! Nothing in this crate logs a prompt, an answer, a header value or a secret, at any level.

use std::fmt;
use std::io::{IsTerminal, stderr};
use std::str::FromStr;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Names the format where `--log` does not: `text` or `json`.
pub const FORMAT_VARIABLE: &str = "HARDWIRE_LOG_FORMAT";

/// What is logged, in the syntax of `tracing_subscriber::EnvFilter`: `warn`, `info,access=off`, `hardwire::upstream=debug`.
pub const FILTER_VARIABLE: &str = "HARDWIRE_LOG";

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One line per event: time, level, target, message, `field=value`.
    Text,
    /// One JSON object per line, fields at its top level.
    Json,
}

/// Why logging could not be set up. One line, for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Neither `text` nor `json`.
    #[error("the log format `{0}` is neither `text` nor `json`")]
    Format(String),
    /// The filter does not parse.
    #[error("{FILTER_VARIABLE}: {0}")]
    Filter(String),
    /// Set up before.
    #[error("logging is set up already")]
    Twice,
}

impl FromStr for Format {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(LogError::Format(text.to_owned())),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// Sets up logging for the process. `flag` is the value of `--log`, which wins over the environment. Returns the format.
///
/// # Errors
/// The format or the filter in the environment cannot be understood, or logging is set up already.
pub fn init(flag: Option<Format>) -> Result<Format, LogError> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let format = match flag {
        Some(format) => format,
        None => variable(FORMAT_VARIABLE).map_or(Ok(Format::Text), |value| value.parse())?,
    };
    let filter = variable(FILTER_VARIABLE);
    let subscriber = subscriber(format, filter.as_deref(), stderr().is_terminal(), stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)?;
    Ok(format)
}

/// What [`init`] sets up, over any writer. `filter` is in the syntax of [`FILTER_VARIABLE`]; without one, it is `info`.
///
/// # Errors
/// The filter does not parse.
pub fn subscriber<W>(
    format: Format,
    filter: Option<&str>,
    color: bool,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter.unwrap_or("info")).map_err(|error| LogError::Filter(error.to_string()))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(color);
    Ok(match format {
        Format::Text => Box::new(builder.finish()),
        Format::Json => {
            Box::new(builder.json().flatten_event(true).with_current_span(false).with_span_list(false).finish())
        }
    })
}
