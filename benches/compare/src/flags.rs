//! The little that the programs need of a command line.

use std::error::Error;
use std::str::FromStr;

/// What the programs fail with: they are tools, and say so in one line.
pub type Failure = Box<dyn Error + Send + Sync>;

/// The value of the flag that was just read, parsed.
///
/// # Errors
/// There is no value, or it does not parse.
pub fn value<T: FromStr>(parser: &mut lexopt::Parser) -> Result<T, Failure>
where
    T::Err: Error + Send + Sync + 'static,
{
    let text = parser.value()?.into_string().map_err(|raw| format!("not UTF-8: {}", raw.display()))?;
    text.parse().map_err(|error: T::Err| format!("`{text}`: {error}").into())
}
