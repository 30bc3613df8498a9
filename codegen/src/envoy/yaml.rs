//! A tree to YAML in block style. Any JSON is YAML; this is for people who read it.

use serde_json::Value;

/// Words that stand for something else than themselves.
const WORDS: &[&str] = &["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

/// Writes a mapping.
pub(super) fn print(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

/// Writes a value that begins on a line of its own; the line has been indented for its first part.
fn block(value: &Value, indent: usize, out: &mut String) {
    let mut first = true;
    let mut begin = |out: &mut String| {
        if !std::mem::take(&mut first) {
            out.extend(std::iter::repeat_n(' ', indent));
        }
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                begin(out);
                out.push_str(&text(key));
                out.push(':');
                if is_nested(value) {
                    out.push('\n');
                    out.extend(std::iter::repeat_n(' ', indent + 2));
                    block(value, indent + 2, out);
                } else {
                    out.push(' ');
                    block(value, indent, out);
                }
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                begin(out);
                out.push_str("- ");
                block(item, indent + 2, out);
            }
        }
        Value::String(string) => {
            out.push_str(&text(string));
            out.push('\n');
        }
        other => {
            out.push_str(&other.to_string());
            out.push('\n');
        }
    }
}

fn is_nested(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

/// As it is where it can be nothing else; else as JSON has it, which YAML reads, too.
fn text(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_./-".contains(&b))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shapes() {
        let value = json!({
            "a": 1, "b": [], "c": {}, "@d": "x: y", "list": [{"k": "v", "l": [1, [2, "3s"]]}, "plain/text", "No", ""],
        });
        let expected = r#"a: 1
b: []
c: {}
"@d": "x: y"
list:
  - k: v
    l:
      - 1
      - - 2
        - "3s"
  - plain/text
  - "No"
  - ""
"#;
        assert_eq!(print(&value), expected);
    }
}
