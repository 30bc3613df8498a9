//! The keys that a listener asks its clients for.

use crate::env::Env;
use crate::responses::store::Scope;
use crate::table::Listener;
use crate::upstream::CREDENTIALS;
use http::{HeaderMap, header};

/// The keys of one listener. Its `Debug` shows none.
pub(crate) struct Keys(Vec<Key>);

struct Key {
    text: Vec<u8>,
    /// Whose the responses are that are stored with it.
    scope: Scope,
}

/// Whether a request may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Refused,
    /// Nobody is asked for a key.
    Open,
    /// With this key.
    Key(Scope),
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

impl Keys {
    pub(crate) fn new(listener: &Listener, env: &Env) -> Self {
        Keys(listener.api_keys.iter().map(|key| Key::new(env.text(key).as_bytes())).collect())
    }

    /// Whether clients are asked for any.
    #[cfg(feature = "extproc")]
    pub(crate) fn are_asked_for(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether this request may pass. A key that opened the door is taken off: it is no credential for a backend.
    pub(crate) fn admit(&self, headers: &mut HeaderMap) -> Admission {
        if self.0.is_empty() {
            return Admission::Open;
        }
        let admitted = CREDENTIALS.iter().find_map(|name| {
            headers.get_all(name).iter().find_map(|value| {
                let value = value.as_bytes();
                let shown = if name == header::AUTHORIZATION { bearer(value) } else { Some(value) };
                shown.and_then(|shown| self.find(shown))
            })
        });
        for name in &CREDENTIALS {
            headers.remove(name);
        }
        admitted.map_or(Admission::Refused, Admission::Key)
    }

    fn find(&self, shown: &[u8]) -> Option<Scope> {
        // All keys are compared, whichever matches.
        self.0.iter().fold(None, |found, key| if same(&key.text, shown) { Some(key.scope) } else { found })
    }
}

impl Key {
    fn new(text: &[u8]) -> Self {
        Key { text: text.to_vec(), scope: Scope::of(text) }
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
    fn check(header: Option<(&'static str, &'static str)>, admitted: Option<&str>) {
        let keys = Keys(vec![Key::new(b"first"), Key::new(b"second")]);
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let expected = admitted.map_or(Admission::Refused, |key| Admission::Key(Scope::of(key.as_bytes())));
        assert_eq!(keys.admit(&mut headers), expected, "{header:?}");
        assert!(headers.is_empty());
    }

    #[test]
    fn keys() {
        check(None, None);
        check(Some(("authorization", "Bearer second")), Some("second"));
        check(Some(("authorization", "bearer first")), Some("first"));
        check(Some(("authorization", "second")), None);
        check(Some(("authorization", "Bearer secon")), None);
        check(Some(("authorization", "Bearer ")), None);
        check(Some(("x-api-key", "first")), Some("first"));
        check(Some(("api-key", "third")), None);
    }

    #[test]
    fn without_keys_anyone_passes_and_credentials_stay() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("Bearer mine"));
        assert_eq!(Keys(Vec::new()).admit(&mut headers), Admission::Open);
        assert!(headers.contains_key("authorization"));
    }
}
