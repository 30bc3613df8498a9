//! References to environment variables: `${NAME}`, `$NAME`, `${NAME:-default}`, `${NAME-default}`, and `$$` for a dollar.
//!
//! Names no key: whether a reference may stand in a value is for the caller.

use crate::ir;
use std::ops::Range;

/// A part of a scalar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// As it stands, `$$` resolved.
    Literal(String),
    /// A variable.
    Var(Var),
}

/// A reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Var {
    /// Letters, digits and underscores.
    pub(crate) name: String,
    /// What stands in where it is not set.
    pub(crate) default: Option<String>,
    /// Whether an empty variable counts as not set.
    pub(crate) empty_is_unset: bool,
}

/// What is wrong with a reference, and which bytes of the scalar it takes up.
pub(super) type Broken = (String, Range<usize>);

/// Takes a scalar apart.
pub(crate) fn parse(text: &str) -> Result<Vec<Part>, Broken> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        literal.push_str(&rest[..at]);
        let here = text.len() - rest.len() + at;
        let after = &rest[at + 1..];
        let (var, length) = if after.starts_with('$') {
            literal.push('$');
            (None, 1)
        } else if let Some(inner) = after.strip_prefix('{') {
            let Some(end) = inner.find('}') else {
                return Err(("a `${` is never closed".to_owned(), here..text.len()));
            };
            let var = braced(&inner[..end]).map_err(|message| (message, here..here + end + 3))?;
            (Some(var), end + 2)
        } else {
            let length = name_length(after);
            if length == 0 {
                literal.push('$');
            }
            (bare(&after[..length]), length)
        };
        if let Some(var) = var {
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Var(var));
        }
        rest = &after[length..];
    }
    literal.push_str(rest);
    if !literal.is_empty() || parts.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(parts)
}

fn bare(name: &str) -> Option<Var> {
    (!name.is_empty()).then(|| Var { name: name.to_owned(), default: None, empty_is_unset: true })
}

fn braced(inner: &str) -> Result<Var, String> {
    let (name, rest) = inner.split_at(name_length(inner));
    if name.is_empty() {
        return Err(format!("`${{{inner}}}` names no environment variable"));
    }
    let (default, empty_is_unset) = if rest.is_empty() {
        (None, true)
    } else if let Some(default) = rest.strip_prefix(":-") {
        (Some(default), true)
    } else if let Some(default) = rest.strip_prefix('-') {
        (Some(default), false)
    } else {
        return Err(format!("`${{{inner}}}` is not a reference to an environment variable"));
    };
    if default.is_some_and(|default| default.contains('$')) {
        return Err("a default cannot refer to another variable".to_owned());
    }
    Ok(Var { name: name.to_owned(), default: default.map(str::to_owned), empty_is_unset })
}

/// How many bytes at the start are the name of a variable.
fn name_length(text: &str) -> usize {
    let digit_first = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    if digit_first { 0 } else { end }
}

/// Whether this is the name of a variable and nothing else.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && name_length(text) == text.len()
}

/// The variables of a document, in the order of first mention.
#[derive(Debug, Default, Clone)]
pub(super) struct Env {
    vars: Vec<ir::EnvVar>,
}

impl Env {
    /// The slot of a variable. The same variable with another default has a slot of its own.
    pub(super) fn slot(&mut self, var: &Var, secret: bool, wanted_by: &str) -> usize {
        let same = |have: &ir::EnvVar| {
            have.name == var.name && have.default == var.default && have.empty_is_unset == var.empty_is_unset
        };
        let slot = self.vars.iter().position(same).unwrap_or_else(|| {
            self.vars.push(ir::EnvVar {
                name: var.name.clone(),
                default: var.default.clone(),
                empty_is_unset: var.empty_is_unset,
                secret: false,
                wanted_by: Vec::new(),
            });
            self.vars.len() - 1
        });
        self.vars[slot].secret |= secret;
        // A part that is used twice through an alias has one path.
        if !self.vars[slot].wanted_by.iter().any(|path| path == wanted_by) {
            self.vars[slot].wanted_by.push(wanted_by.to_owned());
        }
        slot
    }

    /// All of them. What is secret in one place is secret in all.
    pub(super) fn into_vars(self) -> Vec<ir::EnvVar> {
        let secrets: Vec<String> = self.vars.iter().filter(|var| var.secret).map(|var| var.name.clone()).collect();
        let mut vars = self.vars;
        for var in &mut vars {
            var.secret |= secrets.contains(&var.name);
        }
        vars
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> String {
        match parse(text) {
            Err((message, range)) => format!("{message} @ {}", &text[range]),
            Ok(parts) => parts
                .iter()
                .map(|part| match part {
                    Part::Literal(text) => format!("{text:?}"),
                    Part::Var(Var { name, default: None, .. }) => name.clone(),
                    Part::Var(Var { name, default: Some(default), empty_is_unset }) => {
                        format!("{name}{}{default:?}", if *empty_is_unset { ":" } else { "" })
                    }
                })
                .collect::<Vec<_>>()
                .join(" "),
        }
    }

    #[test]
    fn references() {
        for (text, expected) in [
            ("", "\"\""),
            ("plain", "\"plain\""),
            ("${A}", "A"),
            ("$A", "A"),
            ("$A_1-x", "A_1 \"-x\""),
            ("a${B}c", "\"a\" B \"c\""),
            ("$A$B", "A B"),
            ("${A:-x y}", "A:\"x y\""),
            ("${A-}", "A\"\""),
            ("${A:-http://h:1/p-q}", "A:\"http://h:1/p-q\""),
            ("$$", "\"$\""),
            ("$${A}", "\"${A}\""),
            ("a$$b$", "\"a$b$\""),
            ("$5 (a$|b)", "\"$5 (a$|b)\""),
            ("ü${A}ö", "\"ü\" A \"ö\""),
            ("x${A", "a `${` is never closed @ ${A"),
            ("x${}", "`${}` names no environment variable @ ${}"),
            ("${1A}y", "`${1A}` names no environment variable @ ${1A}"),
            ("${A?b}", "`${A?b}` is not a reference to an environment variable @ ${A?b}"),
            ("${A:b}", "`${A:b}` is not a reference to an environment variable @ ${A:b}"),
            ("${A:-$B}", "a default cannot refer to another variable @ ${A:-$B}"),
        ] {
            assert_eq!(show(text), expected, "{text}");
        }
    }

    #[test]
    fn a_name_is_secret_everywhere() {
        let mut env = Env::default();
        let var =
            |default: Option<&str>| Var { name: "K".into(), default: default.map(str::to_owned), empty_is_unset: true };
        assert_eq!(env.slot(&var(Some("x")), false, "a"), 0);
        assert_eq!(env.slot(&var(None), true, "b"), 1);
        assert_eq!(env.slot(&var(None), false, "c"), 1);
        let vars = env.into_vars();
        assert!(vars.iter().all(|var| var.secret));
        assert_eq!(vars[1].wanted_by, ["b", "c"]);
    }
}
