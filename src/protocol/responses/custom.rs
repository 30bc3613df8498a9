//! Custom tools take free text where functions take a JSON document. To a backend that knows only functions such a tool is a
//! function with one string, `input`; here the text is put into that document and taken out of it, also while it comes in.

use bytes::{BufMut, Bytes, BytesMut};

/// Writes text as the body of a JSON string. Only what must be escaped is.
pub(super) fn escape(text: &[u8], out: &mut impl BufMut) {
    let mut plain = 0;
    for (n, byte) in text.iter().enumerate() {
        if !matches!(byte, b'"' | b'\\' | 0..0x20) {
            continue;
        }
        out.put_slice(&text[plain..n]);
        plain = n + 1;
        match byte {
            b'\n' => out.put_slice(br"\n"),
            b'"' | b'\\' => out.put_slice(&[b'\\', *byte]),
            _ => out.put_slice(format!("\\u{byte:04x}").as_bytes()),
        }
    }
    out.put_slice(&text[plain..]);
}

/// The arguments of a function that stands for a custom tool. Both are bodies of JSON strings.
pub(super) fn wrap(input: &[u8]) -> Bytes {
    let mut arguments = Vec::with_capacity(input.len() + 32);
    arguments.extend_from_slice(br#"{\"input\":\""#);
    escape(input, &mut arguments);
    arguments.extend_from_slice(br#"\"}"#);
    arguments.into()
}

/// Takes the input out of such arguments, fragment by fragment.
#[derive(Debug, Default)]
pub(super) struct Unwrap {
    /// The document so far.
    document: Vec<u8>,
    /// How much of it has been looked at.
    at: usize,
    state: State,
    /// The body of the JSON string that is the input.
    input: BytesMut,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// Before the input.
    #[default]
    Before,
    Within,
    Behind,
    /// The model wrote something else than was asked for: all of it is the input.
    Other,
}

impl Unwrap {
    /// Takes a fragment of the arguments, the body of a JSON string, and returns what it adds to the input: the same.
    pub(super) fn push(&mut self, fragment: &[u8]) -> &[u8] {
        unescape(fragment, &mut self.document);
        let known = self.input.len();
        if self.state == State::Before {
            self.begin();
        }
        if self.state == State::Within {
            self.go_on();
        }
        &self.input[known..]
    }

    /// The arguments are complete: what is still added to the input.
    pub(super) fn finish(&mut self) -> &[u8] {
        let known = self.input.len();
        if matches!(self.state, State::Before | State::Other) {
            escape(&self.document, &mut self.input);
            self.state = State::Behind;
        }
        &self.input[known..]
    }

    /// The whole input.
    pub(super) fn into_input(self) -> Bytes {
        self.input.freeze()
    }

    /// Looks for `{"input":"`.
    fn begin(&mut self) {
        let mut rest = self.document.as_slice();
        for token in [&b"{"[..], b"\"input\"", b":", b"\""] {
            rest = rest.trim_ascii_start();
            match rest.strip_prefix(token) {
                Some(behind) => rest = behind,
                None if token.starts_with(rest) => return,
                None => {
                    self.state = State::Other;
                    return;
                }
            }
        }
        self.at = self.document.len() - rest.len();
        self.state = State::Within;
    }

    /// Takes over what is complete: no escape sequence is cut, nor one half of a surrogate pair taken alone.
    fn go_on(&mut self) {
        while let Some(byte) = self.document.get(self.at) {
            let rest = &self.document[self.at..];
            let len = match byte {
                b'"' => {
                    self.state = State::Behind;
                    return;
                }
                b'\\' => match escape_len(rest) {
                    Some(len) => len,
                    None => return,
                },
                _ => rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(rest.len()),
            };
            match byte {
                b'\\' => self.input.extend_from_slice(&rest[..len]),
                // Models write bare line ends where JSON has none.
                _ => escape(&rest[..len], &mut self.input),
            }
            self.at += len;
        }
    }
}

/// The length of the escape sequence that this begins with; of a surrogate pair as a whole. `None` where it may go on.
fn escape_len(rest: &[u8]) -> Option<usize> {
    match rest {
        [b'\\', b'u', ..] if rest.len() < 6 => None,
        [b'\\', b'u', b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B', ..] => match &rest[6..] {
            [b'\\', b'u', ..] => (rest.len() >= 12).then_some(12),
            [] | [b'\\'] => None,
            _ => Some(6),
        },
        [b'\\', b'u', ..] => Some(6),
        [b'\\'] => None,
        _ => Some(2),
    }
}

/// Undoes the escapes of a JSON string. Half of a surrogate pair becomes the replacement character.
pub(super) fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let Some(kind) = rest.get(1) else { break };
        if *kind == b'u' {
            let unit = |from: usize| {
                let digits = std::str::from_utf8(rest.get(from..from + 4)?).ok()?;
                u16::from_str_radix(digits, 16).ok()
            };
            let units = [unit(2), if rest.get(6..8) == Some(b"\\u") { unit(8) } else { None }];
            let read = char::decode_utf16(units.into_iter().map_while(|unit| unit)).next();
            let (char, len) = match read {
                Some(Ok(char)) => (char, if char as u32 > 0xffff { 12 } else { 6 }),
                _ => (char::REPLACEMENT_CHARACTER, 6),
            };
            out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            rest = &rest[len.min(rest.len())..];
            continue;
        }
        out.push(match kind {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 8,
            b'f' => 12,
            other => *other,
        });
        rest = &rest[2..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(text: &str) -> Vec<u8> {
        let quoted = serde_json::to_vec(text).unwrap();
        quoted[1..quoted.len() - 1].to_vec()
    }

    fn text(body: &[u8]) -> String {
        serde_json::from_slice(&[b"\"", body, b"\""].concat()).unwrap()
    }

    /// The input that comes out of arguments in these fragments; each piece must be valid by itself.
    fn unwrapped(fragments: &[&str]) -> String {
        let mut unwrap = Unwrap::default();
        let mut pieces = String::new();
        for fragment in fragments {
            pieces.push_str(&text(unwrap.push(&body(fragment))));
        }
        pieces.push_str(&text(unwrap.finish()));
        assert_eq!(text(&unwrap.into_input()), pieces);
        pieces
    }

    #[test]
    fn what_models_write_instead() {
        assert_eq!(unwrapped(&["just text"]), "just text");
        assert_eq!(unwrapped(&[r#"{"patch":"x"}"#]), r#"{"patch":"x"}"#);
        assert_eq!(unwrapped(&["{ \n\"input\" :", " \"a\nb\" , \"more\":1}"]), "a\nb");
        assert_eq!(unwrapped(&[r#"{"input":"cut"#]), "cut");
        assert_eq!(unwrapped(&[]), "");
        assert_eq!(unwrapped(&[r#"{"inp"#]), r#"{"inp"#);
    }

    #[test]
    fn odd_escapes_do_no_harm() {
        let mut out = Vec::new();
        unescape(br"\ud83d x \u00e9 \ud83d\ude00 \u12 ", &mut out);
        unescape(br"\", &mut out);
        assert_eq!(String::from_utf8_lossy(&out), "\u{fffd} x \u{e9} \u{1f600} \u{fffd}\\");
    }

    proptest! {
        #[test]
        fn every_input_survives_every_cut(input in any::<String>(), ascii in any::<bool>(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
            let arguments = text(&wrap(&body(&input)));
            let arguments = if ascii {
                // The same document, all beyond ASCII in escapes.
                arguments.encode_utf16().map(|unit| match u8::try_from(unit) {
                    Ok(byte) if byte.is_ascii() => (byte as char).to_string(),
                    _ => format!("\\u{unit:04x}"),
                }).collect()
            } else {
                arguments
            };
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(arguments.len() + 1)).collect();
            places.retain(|place| arguments.is_char_boundary(*place));
            places.sort_unstable();
            let mut fragments = Vec::new();
            let mut from = 0;
            for place in places.into_iter().chain([arguments.len()]) {
                fragments.push(&arguments[from..place]);
                from = place;
            }
            prop_assert_eq!(unwrapped(&fragments), input);
        }
    }
}
