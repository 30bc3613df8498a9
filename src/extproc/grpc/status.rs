//! How a call ends, and how that is written into trailers.

use http::{HeaderMap, HeaderValue};
use std::borrow::Cow;
use std::fmt::Write;

/// The codes of gRPC that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// All is well.
    Ok = 0,
    /// The caller has left.
    Cancelled = 1,
    /// The caller's message cannot be understood.
    InvalidArgument = 3,
    /// It took too long.
    DeadlineExceeded = 4,
    /// There is no such thing.
    NotFound = 5,
    /// There is more than what is taken.
    ResourceExhausted = 8,
    /// There is no such method.
    Unimplemented = 12,
    /// A mistake of ours.
    Internal = 13,
}

/// How a call ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code:?}: {message}")]
pub struct Status {
    /// For programs.
    pub code: Code,
    /// For people.
    pub message: Cow<'static, str>,
}

impl Status {
    /// All is well.
    pub const OK: Status = Status { code: Code::Ok, message: Cow::Borrowed("") };

    /// An end with a message.
    #[must_use]
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Status { code, message: message.into() }
    }

    /// Writes it into trailers, or into headers where there is nothing but it.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        headers.insert("grpc-status", HeaderValue::from(self.code as u16));
        if !self.message.is_empty() {
            let message = HeaderValue::from_str(&percent(&self.message)).expect("percent-encoded text is ASCII");
            headers.insert("grpc-message", message);
        }
    }
}

/// gRPC over HTTP/2: bytes outside of printable ASCII and the percent sign are encoded.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' | 0..=0x1f | 0x7f.. => write!(out, "%{byte:02X}").expect("a string takes everything"),
            _ => out.push(char::from(byte)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_encoded() {
        assert_eq!(percent("a b: 100% ü\n"), "a b: 100%25 %C3%BC%0A");
        let mut headers = HeaderMap::new();
        Status::new(Code::NotFound, "ä").write(&mut headers);
        assert_eq!(headers["grpc-status"], "5");
        assert_eq!(headers["grpc-message"], "%C3%A4");
    }
}
