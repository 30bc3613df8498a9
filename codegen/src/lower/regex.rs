//! Regular expressions as RE2 and Go mean them, rewritten for regex-syntax.
//!
//! The syntax is nearly the same, the meaning of `\d`, `\w`, `\s` and `\b` is not: there they are ASCII, here Unicode.
//! What only one of the two understands is refused, so that no expression means something else than it does elsewhere.

use regex_automata::MatchKind;
use regex_automata::dfa::{StartKind, dense};
use regex_automata::nfa::thompson;
use regex_syntax::ast::{
    self, AssertionKind, Ast, ClassPerl, ClassPerlKind, ClassSetItem, Flag, FlagsItemKind, Visitor,
};
use std::ops::Range;

/// A table larger than this for one expression is a mistake.
const DFA_LIMIT: usize = 4 << 20;

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bad {
    /// It is none, and here is where.
    Syntax(String, Range<usize>),
    /// It is one, but cannot become an automaton.
    NoDfa(String),
}

/// The same expression for regex-syntax, known to compile to a DFA.
pub(super) fn translate(pattern: &str, case_sensitive: bool) -> Result<String, Bad> {
    let tree = ast::parse::Parser::new().parse(pattern).map_err(|error| syntax(error.kind(), error.span()))?;
    let edits = ast::visit(&tree, Rewrite::default())?;
    let mut out = String::from(if case_sensitive { "" } else { "(?i)" });
    let mut done = 0;
    for (range, text) in edits {
        out.push_str(&pattern[done..range.start]);
        out.push_str(&text);
        done = range.end;
    }
    out.push_str(&pattern[done..]);
    compiles(&out, pattern.len())?;
    Ok(out)
}

fn syntax(message: &dyn std::fmt::Display, span: &ast::Span) -> Bad {
    Bad::Syntax(message.to_string(), bytes(span))
}

fn bytes(span: &ast::Span) -> Range<usize> {
    span.start.offset..span.end.offset
}

/// `length` is that of the expression as it was written: positions in the rewritten one would mean nothing to anybody.
fn compiles(pattern: &str, length: usize) -> Result<(), Bad> {
    regex_syntax::Parser::new().parse(pattern).map_err(|error| match error {
        regex_syntax::Error::Parse(error) => Bad::Syntax(error.kind().to_string(), 0..length),
        regex_syntax::Error::Translate(error) => Bad::Syntax(error.kind().to_string(), 0..length),
        _ => Bad::Syntax("not understood".to_owned(), 0..length),
    })?;
    let built = dense::Builder::new()
        .configure(
            dense::Config::new()
                .match_kind(MatchKind::All)
                .start_kind(StartKind::Unanchored)
                .accelerate(false)
                .dfa_size_limit(Some(DFA_LIMIT))
                .determinize_size_limit(Some(2 * DFA_LIMIT)),
        )
        .thompson(thompson::Config::new().which_captures(thompson::WhichCaptures::None).nfa_size_limit(Some(DFA_LIMIT)))
        .build(pattern);
    match built {
        Ok(_) => Ok(()),
        Err(error) if error.is_size_limit_exceeded() => {
            Err(Bad::NoDfa(format!("its table would be larger than {} MiB", DFA_LIMIT >> 20)))
        }
        Err(error) => Err(Bad::NoDfa(error.to_string())),
    }
}

/// Collects replacements in the order of the expression.
#[derive(Default)]
struct Rewrite {
    edits: Vec<(Range<usize>, String)>,
}

impl Rewrite {
    fn perl(&mut self, class: &ClassPerl) {
        let set = match class.kind {
            ClassPerlKind::Digit => "0-9",
            ClassPerlKind::Space => r"\t\n\f\r ",
            ClassPerlKind::Word => "0-9A-Za-z_",
        };
        let not = if class.negated { "^" } else { "" };
        self.edits.push((bytes(&class.span), format!("[{not}{set}]")));
    }
}

impl Visitor for Rewrite {
    type Output = Vec<(Range<usize>, String)>;
    type Err = Bad;

    fn finish(self) -> Result<Self::Output, Bad> {
        Ok(self.edits)
    }

    fn visit_post(&mut self, ast: &Ast) -> Result<(), Bad> {
        match ast {
            Ast::ClassPerl(class) => self.perl(class),
            Ast::Assertion(assertion) => match assertion.kind {
                AssertionKind::WordBoundary => self.edits.push((bytes(&assertion.span), r"(?-u:\b)".into())),
                AssertionKind::NotWordBoundary => self.edits.push((bytes(&assertion.span), r"(?-u:\B)".into())),
                AssertionKind::StartLine
                | AssertionKind::EndLine
                | AssertionKind::StartText
                | AssertionKind::EndText => {}
                _ => return Err(syntax(&"RE2 has no such word boundary", &assertion.span)),
            },
            Ast::Flags(set) => flags(&set.flags)?,
            Ast::Group(group) => {
                if let ast::GroupKind::NonCapturing(set) = &group.kind {
                    flags(set)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Bad> {
        match item {
            ClassSetItem::Perl(class) => self.perl(class),
            ClassSetItem::Bracketed(class) => {
                return Err(syntax(&r"RE2 takes a `[` inside a class for itself; write `\[`", &class.span));
            }
            _ => {}
        }
        Ok(())
    }

    fn visit_class_set_binary_op_pre(&mut self, op: &ast::ClassSetBinaryOp) -> Result<(), Bad> {
        Err(syntax(&"RE2 has no operators inside a class", &op.span))
    }
}

fn flags(flags: &ast::Flags) -> Result<(), Bad> {
    for item in &flags.items {
        let known = match item.kind {
            FlagsItemKind::Negation => true,
            FlagsItemKind::Flag(flag) => {
                matches!(flag, Flag::CaseInsensitive | Flag::MultiLine | Flag::DotMatchesNewLine | Flag::SwapGreed)
            }
        };
        if !known {
            return Err(syntax(&"RE2 has the flags `i`, `m`, `s` and `U`", &item.span));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewriting() {
        for (pattern, expected) in [
            (r"plain", r"plain"),
            (r"\d+", r"[0-9]+"),
            (r"a\w\W", r"a[0-9A-Za-z_][^0-9A-Za-z_]"),
            (r"\s|\S|\D", r"[\t\n\f\r ]|[^\t\n\f\r ]|[^0-9]"),
            (r"\bcat\b", r"(?-u:\b)cat(?-u:\b)"),
            (r"[\w-]x", r"[[0-9A-Za-z_]-]x"),
            (r"[^\d\W]", r"[^[0-9][^0-9A-Za-z_]]"),
            (r"(?i)a(?s:b.)", r"(?i)a(?s:b.)"),
            (r"[[:alpha:]]\pL\p{Greek}$", r"[[:alpha:]]\pL\p{Greek}$"),
            (r"日本\d", r"日本[0-9]"),
        ] {
            assert_eq!(translate(pattern, true).as_deref(), Ok(expected), "{pattern}");
        }
        assert_eq!(translate("x", false).as_deref(), Ok("(?i)x"));
    }

    /// What the rewritten expressions match is what Go's would.
    #[test]
    fn meaning() {
        for (pattern, text, matches) in [
            (r"^\d$", "5", true),
            (r"^\d$", "٥", false),
            (r"^\w$", "é", false),
            (r"^\W$", "é", true),
            (r"^\s$", "\u{a0}", false),
            (r"^\s$", "\u{b}", false),
            (r"\bfoo\b", "éfooé", true),
            (r"\bfoo\b", "a foo b", true),
            (r"\bfoo\b", "afoo", false),
            (r"^[^\d]$", "٥", true),
            (r"FOO", "foo", true),
            (r"^.$", "é", true),
            (r"a$", "a\n", false),
        ] {
            let pattern = translate(pattern, false).unwrap();
            let dfa = dense::DFA::new(&pattern).unwrap();
            let input = regex_automata::Input::new(text);
            let found = regex_automata::dfa::Automaton::try_search_fwd(&dfa, &input).unwrap().is_some();
            assert_eq!(found, matches, "{pattern} in {text:?}");
        }
    }

    #[test]
    fn refusals() {
        for (pattern, at) in [
            ("a(b", "("),
            ("a)", ")"),
            ("x**[z", "["),
            (r"\1", r"\1"),
            (r"a(?=b)", "(?="),
            (r"[a&&b]", "a&&b"),
            (r"[a[b]]", "[b]"),
            (r"(?x)a", "x"),
            (r"(?-u:a)", "u"),
            (r"\b{start}a", r"\b{start}"),
            (r"\p{NoSuch}", r"\p{NoSuch}"),
        ] {
            match translate(pattern, true) {
                Err(Bad::Syntax(_, range)) => assert_eq!(&pattern[range], at, "{pattern}"),
                other => panic!("{pattern}: {other:?}"),
            }
        }
        assert!(matches!(translate(r"(a|b)*a(a|b){20}", true), Err(Bad::NoDfa(_))));
        assert!(matches!(translate(r"(\w{500}){500}", true), Err(Bad::NoDfa(_))));
    }
}
