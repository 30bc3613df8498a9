//! The query of a request: what is asked for beside the path.

use crate::routing::catalog::decode_id;
use std::borrow::Cow;

/// Its keys and values, decoded. A pair that is not UTF-8 is left out.
pub(super) fn pairs(query: Option<&str>) -> Vec<(String, String)> {
    let decode = |text: &str| decode_id(&text.replace('+', " ")).map(Cow::into_owned);
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs
        .filter_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(key)?, decode(value)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::pairs;

    #[test]
    fn keys_and_values() {
        let query = pairs(Some("limit=2&include%5B%5D=a+b&&x&y=%ff"));
        let expected = [("limit", "2"), ("include[]", "a b"), ("x", "")];
        assert_eq!(query, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert!(pairs(None).is_empty());
    }
}
