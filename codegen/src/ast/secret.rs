//! Which values of a document are secrets, by the names of their keys.
//!
//! A report shows lines of the document, and build logs are read by many. So whatever looks like a secret is kept out of
//! all of them, also where the mistake is another one, or is that its key was misspelt.

use super::node::{Node, Scalar, Span, Value};
use crate::lower::env::{self, Part};

/// Tells whether a literal may be shown that stands before a reference.
type Before = fn(&str) -> bool;

/// Headers whose value is a credential, in lower case.
const HEADERS: &[&str] = &["authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "proxy-authorization"];

/// What names of keys of secrets have in them, letters only.
const WORDS: &[&str] = &["apikey", "accesskey", "authorization", "bearer", "cookie", "passwd", "password", "secret"];

/// Numbers of tokens and the like, which are no secrets.
const COUNTS: &[&str] = &["max", "min"];

/// Whether the value of this header must not be readable in the binary. The name is in lower case.
#[must_use]
pub fn is_secret_header(name: &str) -> bool {
    HEADERS.contains(&name)
}

/// Whether a literal before a secret in a header is none itself: `Bearer `.
#[must_use]
pub fn is_shown_before(text: &str) -> bool {
    text.ends_with([' ', '='])
}

/// Where literal secrets stand. References to the environment are none.
#[must_use]
pub fn spans(root: &Node) -> Vec<Span> {
    let mut out = Vec::new();
    walk(root, None, &mut out);
    out
}

/// `secret` is what may stand before a secret, where it is one.
fn walk(node: &Node, secret: Option<Before>, out: &mut Vec<Span>) {
    match &node.value {
        Value::Scalar(text, Scalar::Text | Scalar::Number) => {
            if secret.is_some_and(|before| !is_reference(text, before)) {
                out.push(node.span);
            }
        }
        Value::Scalar(..) => {}
        Value::List(items) => items.iter().for_each(|item| walk(item, secret, out)),
        Value::Map(entries) => {
            for (key, value) in entries {
                let letters: String =
                    key.text.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_lowercase()).collect();
                // `api_key_env` names a variable; what is no such name may be the secret itself.
                let names_variable =
                    letters.ends_with("env") && matches!(&value.value, Value::Scalar(text, _) if is_name(text));
                let is_secret = WORDS.iter().any(|word| letters.contains(word)) || is_token(&key.text);
                let before =
                    if is_secret_header(&key.text.to_ascii_lowercase()) { is_shown_before } else { str::is_empty };
                walk(value, secret.or_else(|| (is_secret && !names_variable).then_some(before)), out);
            }
        }
    }
}

/// Whether a key is that of a token, or of several: its last word says so.
fn is_token(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let mut words = key.split(|c: char| !c.is_ascii_alphanumeric()).rev();
    words.next().is_some_and(|last| matches!(last, "token" | "tokens")) && !words.any(|word| COUNTS.contains(&word))
}

/// Whether nothing of a value can be a secret: it is one variable, without a default, behind what may stand before it.
fn is_reference(text: &str, before: Before) -> bool {
    let parts = env::parse(text).unwrap_or_default();
    let (literal, last) = match parts.as_slice() {
        [last] => ("", last),
        [Part::Literal(literal), last] => (literal.as_str(), last),
        _ => return false,
    };
    let is_variable = matches!(last, Part::Var(var) if var.default.as_ref().is_none_or(String::is_empty));
    is_variable && (literal.is_empty() || before(literal))
}

fn is_name(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use crate::parse::parse;

    #[test]
    fn secrets() {
        let text = "
api_key: A1
apikeys: [B2, \"C3\", '${VAR}']
headers: { Authorization: Bearer D4, X-Team: shown, x-api-key: E5 }
api_key_env: OPENAI_API_KEY
nested: { api_key_env: sk-F6 }
keywords: [shown]
max_tokens: 5
hub-token: H8
auth: { tokens: [I9, '$TOKEN'] }
redis: { password: 's3cr$et_rest', secret: '${PASS}!', access_key: '${KEY:-J0}' }
more: { authorization: 'Bearer ${VAR}', x-api-key: 'K1$VAR', cookie: 'sid=${VAR}' }
password: |
  G7
";
        let root = parse(text).unwrap();
        let hidden: Vec<&str> = super::spans(&root).iter().map(|span| text[span.start..span.end].trim()).collect();
        assert_eq!(
            hidden,
            [
                "A1",
                "B2",
                "\"C3\"",
                "Bearer D4",
                "E5",
                "sk-F6",
                "H8",
                "I9",
                "'s3cr$et_rest'",
                "'${PASS}!'",
                "'${KEY:-J0}'",
                "'K1$VAR'",
                "G7"
            ]
        );
    }
}
