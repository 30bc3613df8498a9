//! The keys that a listener asks its clients for.

use crate::env::Env;
use crate::table::Listener;
use crate::upstream::CREDENTIALS;
use http::{HeaderMap, header};

/// The keys of one listener. Its `Debug` shows none.
pub(crate) struct Keys(Vec<Vec<u8>>);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

impl Keys {
    pub(crate) fn new(listener: &Listener, env: &Env) -> Self {
        Keys(listener.api_keys.iter().map(|key| env.text(key).as_bytes().to_vec()).collect())
    }

    /// Whether clients are asked for any.
    #[cfg(feature = "extproc")]
    pub(crate) fn are_asked_for(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether this request may pass. A key that opened the door is taken off: it is no credential for a backend.
    pub(crate) fn admit(&self, headers: &mut HeaderMap) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let admitted = CREDENTIALS.iter().any(|name| {
            headers.get_all(name).iter().any(|value| {
                let value = value.as_bytes();
                let shown = if name == header::AUTHORIZATION { bearer(value) } else { Some(value) };
                shown.is_some_and(|shown| self.knows(shown))
            })
        });
        for name in &CREDENTIALS {
            headers.remove(name);
        }
        admitted
    }

    fn knows(&self, shown: &[u8]) -> bool {
        // All keys are compared, whichever matches.
        self.0.iter().fold(false, |found, key| found | same(key, shown))
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, key) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
}

/// Compares in a time that depends on the lengths alone.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |diff, (x, y)| diff | (x ^ y))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[track_caller]
    fn check(header: Option<(&'static str, &'static str)>, admitted: bool) {
        let keys = Keys(vec![b"first".to_vec(), b"second".to_vec()]);
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        assert_eq!(keys.admit(&mut headers), admitted, "{header:?}");
        assert!(headers.is_empty());
    }

    #[test]
    fn keys() {
        check(None, false);
        check(Some(("authorization", "Bearer second")), true);
        check(Some(("authorization", "bearer first")), true);
        check(Some(("authorization", "second")), false);
        check(Some(("authorization", "Bearer secon")), false);
        check(Some(("authorization", "Bearer ")), false);
        check(Some(("x-api-key", "first")), true);
        check(Some(("api-key", "third")), false);
    }

    #[test]
    fn without_keys_anyone_passes_and_credentials_stay() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("Bearer mine"));
        assert!(Keys(Vec::new()).admit(&mut headers));
        assert!(headers.contains_key("authorization"));
    }
}
