//! Which values of a document are secrets, by the names of their keys.
//!
//! A report shows lines of the document, and build logs are read by many. So whatever looks like a secret is kept out of
//! all of them, also where the mistake is another one, or is that its key was misspelt.

use super::node::{Node, Scalar, Span, Value};

/// Headers whose value is a credential, in lower case.
const HEADERS: &[&str] = &["authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "proxy-authorization"];

/// What names of keys of secrets have in them, letters only.
const WORDS: &[&str] = &["apikey", "accesskey", "authorization", "bearer", "cookie", "passwd", "password", "secret"];

/// Whether the value of this header must not be readable in the binary. The name is in lower case.
#[must_use]
pub fn is_secret_header(name: &str) -> bool {
    HEADERS.contains(&name)
}

/// Where literal secrets stand. References to the environment are none.
#[must_use]
pub fn spans(root: &Node) -> Vec<Span> {
    let mut out = Vec::new();
    walk(root, false, &mut out);
    out
}

fn walk(node: &Node, secret: bool, out: &mut Vec<Span>) {
    match &node.value {
        Value::Scalar(text, Scalar::Text | Scalar::Number) => {
            if secret && !text.contains('$') {
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
                walk(value, secret || (WORDS.iter().any(|word| letters.contains(word)) && !names_variable), out);
            }
        }
    }
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
password: |
  G7
";
        let root = parse(text).unwrap();
        let hidden: Vec<&str> = super::spans(&root).iter().map(|span| text[span.start..span.end].trim()).collect();
        assert_eq!(hidden, ["A1", "B2", "\"C3\"", "Bearer D4", "E5", "sk-F6", "G7"]);
    }
}
