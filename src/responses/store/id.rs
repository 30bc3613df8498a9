//! Ids of stored responses: `resp_` and 32 hexadecimal digits, all of them random. Whoever knows one did not guess it.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::str::FromStr;

const PREFIX: &str = "resp_";

/// So many ids are drawn at once, since the system call for one takes as long as reading a small request.
const AT_ONCE: usize = 32;

thread_local! {
    /// Drawn, and not given yet.
    static DRAWN: RefCell<Vec<[u8; 16]>> = const { RefCell::new(Vec::new()) };
}

/// The id of a response.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id([u8; 16]);

/// Not an id that this router gives. Whoever asks for it is told that there is no such response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a response: those are `resp_` and 32 hexadecimal digits")]
pub struct NotAnId;

impl Id {
    /// An id that nobody can guess: 128 bits from the operating system. Fails where that has none to give.
    pub fn random() -> Result<Id, getrandom::Error> {
        DRAWN.with_borrow_mut(|drawn| {
            if drawn.is_empty() {
                let mut bits = [[0; 16]; AT_ONCE];
                getrandom::fill(bits.as_flattened_mut())?;
                drawn.extend(bits);
            }
            Ok(Id(drawn.pop().expect("some were drawn")))
        })
    }

    /// The bits, for stores whose keys are bytes.
    #[must_use]
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// The id with these bits.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Id {
        Id(bytes)
    }
}

impl FromStr for Id {
    type Err = NotAnId;

    /// Exactly what `Display` writes: one spelling for one id.
    fn from_str(text: &str) -> Result<Id, NotAnId> {
        let digits = text.strip_prefix(PREFIX).ok_or(NotAnId)?.as_bytes();
        let mut bytes = [0; 16];
        if digits.len() != 2 * bytes.len() {
            return Err(NotAnId);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Id(bytes))
    }
}

fn nibble(digit: u8) -> Result<u8, NotAnId> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(NotAnId),
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
        f.write_str(PREFIX)?;
        self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]).try_for_each(|nibble| f.write_char(digit(nibble)))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let id = Id::random().unwrap();
        let text = id.to_string();
        assert_eq!(text.len(), 37);
        assert_eq!(text.parse(), Ok(id));
        assert_ne!(Id::random().unwrap(), id);
        assert_eq!(Id([0xa5; 16]).to_string(), "resp_a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5");
    }

    #[test]
    fn nothing_else_is_an_id() {
        let digits = "0123456789abcdef0123456789abcdef";
        assert!(format!("resp_{digits}").parse::<Id>().is_ok());
        for text in [
            String::new(),
            "resp_".into(),
            digits.into(),
            format!("Resp_{digits}"),
            format!("msg_{digits}"),
            format!("resp_{}", digits.to_uppercase()),
            format!("resp_{}", &digits[1..]),
            format!("resp_{digits}0"),
            format!("resp_{} ", &digits[1..]),
            format!("resp_{}g", &digits[1..]),
            format!("resp_ü{}", &digits[2..]),
            format!("resp_+{}", &digits[1..]),
            format!(" resp_{digits}"),
        ] {
            assert_eq!(text.parse::<Id>(), Err(NotAnId), "{text}");
        }
    }
}
