//! What is said about a document: mistakes with their places, as text with carets or as JSON.
//!
//! Knows nothing of YAML keys; wording comes from [`errors`](crate::errors).

use crate::ast::node::{Paths, Span};
use crate::errors::{Named, Severity};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A document with more mistakes than this is not worth more of anybody's time.
const MAX_DIAGNOSTICS: usize = 200;

/// Everything that is wrong with one document.
#[derive(Debug)]
pub struct Report {
    /// By position.
    pub diagnostics: Vec<Diagnostic>,
    /// How many more there were.
    left_out: usize,
    /// As it is shown.
    file: String,
    text: String,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it stops the build.
    pub severity: Severity,
    /// Stable name: `unknown-key`.
    pub kind: &'static str,
    /// What is wrong, in one line.
    pub message: String,
    /// What the caret points at; may be empty.
    pub label: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Where.
    pub span: Span,
    /// Other places that have to do with it.
    pub related: Vec<(Span, String)>,
    /// Where in the document's structure: `providers.models[0].name`.
    pub path: String,
}

impl Diagnostic {
    /// Replaces the label.
    pub fn label(&mut self, label: impl Into<String>) -> &mut Self {
        self.label = label.into();
        self
    }

    /// Replaces the help line, unless there is none to put in its place.
    pub fn help(&mut self, help: impl Into<Option<String>>) -> &mut Self {
        if let Some(help) = help.into() {
            self.help = Some(help);
        }
        self
    }

    /// Points at another place.
    pub fn related(&mut self, span: Span, label: impl Into<String>) -> &mut Self {
        self.related.push((span, label.into()));
        self
    }
}

/// Collects mistakes.
#[derive(Debug, Default)]
pub struct Sink {
    diagnostics: Vec<Diagnostic>,
    errors: usize,
    hidden: Vec<Span>,
    ignored: BTreeSet<Span>,
}

impl Sink {
    /// Notes a key that nobody reads.
    pub fn ignore(&mut self, key: Span) {
        self.ignored.insert(key);
    }

    /// Whether nobody reads what stands under this key.
    #[must_use]
    pub fn is_ignored(&self, key: Span) -> bool {
        self.ignored.contains(&key)
    }

    /// Keeps some places out of the report.
    pub fn hide(&mut self, spans: impl IntoIterator<Item = Span>) {
        self.hidden.extend(spans);
    }

    /// How many errors there are so far.
    #[must_use]
    pub const fn errors(&self) -> usize {
        self.errors
    }

    /// Notes a mistake, and returns it for what its place knows better.
    pub fn report(&mut self, named: &Named, span: Span, arguments: &[&str]) -> &mut Diagnostic {
        let help = fill(named.help, arguments);
        self.errors += usize::from(named.severity == Severity::Error);
        self.diagnostics.push(Diagnostic {
            severity: named.severity,
            kind: named.kind,
            message: fill(named.message, arguments),
            label: fill(named.label, arguments),
            help: (!help.is_empty()).then_some(help),
            span,
            related: Vec::new(),
            path: String::new(),
        });
        self.diagnostics.last_mut().expect("one was just pushed")
    }
}

fn fill(template: &str, arguments: &[&str]) -> String {
    let mut rest = template;
    let mut out = String::with_capacity(template.len());
    // In one pass, so that braces in an argument stay what they are.
    while let Some(at) = rest.find('{') {
        let index = rest.as_bytes().get(at + 1).filter(|b| b.is_ascii_digit()).map(|b| usize::from(b - b'0'));
        match (index.and_then(|index| arguments.get(index)), rest.as_bytes().get(at + 2)) {
            (Some(argument), Some(b'}')) => {
                out.push_str(&rest[..at]);
                out.push_str(argument);
                rest = &rest[at + 3..];
            }
            _ => {
                out.push_str(&rest[..=at]);
                rest = &rest[at + 1..];
            }
        }
    }
    out + rest
}

/// The text with some spans starred out, byte for byte, so that positions stay what they are.
fn masked(text: &str, hidden: &[Span]) -> String {
    let mut out = text.to_owned();
    for span in hidden {
        let stars = |byte| if matches!(byte, b'\n' | b'\r') { char::from(byte) } else { '*' };
        let stars: String = out.as_bytes()[span.start..span.end].iter().copied().map(stars).collect();
        out.replace_range(span.start..span.end, &stars);
    }
    out
}

impl Report {
    /// Sorts what was collected. `file` is the document's name as it is to be shown.
    #[must_use]
    pub fn new(sink: Sink, file: &str, text: &str, paths: &Paths) -> Report {
        let mut diagnostics = sink.diagnostics;
        let text = masked(text, &sink.hidden);
        diagnostics.sort_by(|a, b| (a.span, a.severity, a.kind).cmp(&(b.span, b.severity, b.kind)));
        // An aliased part is read once for every place that uses it.
        diagnostics.dedup();
        let left_out = diagnostics.len().saturating_sub(MAX_DIAGNOSTICS);
        if left_out > 0 {
            // Errors first: a report without one would let a broken document pass.
            diagnostics.sort_by_key(|diagnostic| diagnostic.severity);
            diagnostics.truncate(MAX_DIAGNOSTICS);
            diagnostics.sort_by_key(|diagnostic| diagnostic.span);
        }
        for diagnostic in &mut diagnostics {
            paths.at(diagnostic.span).clone_into(&mut diagnostic.path);
        }
        Report { diagnostics, left_out, file: file.to_owned(), text }
    }

    /// Whether the build must stop.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// How many errors and how many warnings it has.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let errors = self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
        (errors, self.diagnostics.len() - errors)
    }

    /// How many more mistakes there are than are shown.
    #[must_use]
    pub const fn left_out(&self) -> usize {
        self.left_out
    }

    /// The whole report with carets, ending in a line feed; empty if there is nothing to say.
    #[must_use]
    pub fn render_text(&self, color: bool) -> String {
        let mut out = String::new();
        for diagnostic in &self.diagnostics {
            out.push_str(&self.render_one(diagnostic, color));
            out.push_str("\n\n");
        }
        if self.left_out > 0 {
            out.push_str(&format!("{} more are not shown\n\n", self.left_out));
        }
        out.truncate(out.trim_end().len());
        if !out.is_empty() {
            out.push('\n');
        }
        out
    }

    /// One mistake with its carets, without a final line feed.
    #[must_use]
    pub fn render_one(&self, diagnostic: &Diagnostic, color: bool) -> String {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let spans = || std::iter::once(diagnostic.span).chain(diagnostic.related.iter().map(|(span, _)| *span));
        // Only the lines in question are shown to the renderer, which would otherwise read all of it every time.
        let first = spans().map(|span| self.line_start(span.start)).min().unwrap_or(0);
        let last = spans().map(|span| self.shown_end(span)).max().unwrap_or(self.text.len());
        let cut = |span: Span| {
            let start = span.start.min(last);
            start - first..span.end.min(self.shown_end(span)).max(start) - first
        };
        let mut snippet = Snippet::source(&self.text[first..last])
            .path(self.file.as_str())
            .line_start(self.text[..first].bytes().filter(|b| *b == b'\n').count() + 1)
            .annotation(AnnotationKind::Primary.span(cut(diagnostic.span)).label(diagnostic.label.as_str()));
        for (span, label) in &diagnostic.related {
            snippet = snippet.annotation(AnnotationKind::Context.span(cut(*span)).label(label.as_str()));
        }
        let mut group = level.primary_title(diagnostic.message.as_str()).element(snippet);
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        renderer.decor_style(DecorStyle::Ascii).render(&[group])
    }

    /// The report as a JSON array.
    #[must_use]
    pub fn render_json(&self) -> String {
        let all: Vec<Value> = self.diagnostics.iter().map(|diagnostic| self.json(diagnostic)).collect();
        serde_json::to_string_pretty(&all).expect("strings and numbers always serialise")
    }

    fn json(&self, diagnostic: &Diagnostic) -> Value {
        let (line, column) = self.position(diagnostic.span.start);
        let (end_line, end_column) = self.position(diagnostic.span.end);
        let related = diagnostic.related.iter().map(|(span, label)| {
            let (line, column) = self.position(span.start);
            let (end_line, end_column) = self.position(span.end);
            json!({ "label": label, "line": line, "column": column, "end_line": end_line, "end_column": end_column })
        });
        json!({
            "severity": match diagnostic.severity { Severity::Error => "error", Severity::Warning => "warning" },
            "kind": diagnostic.kind,
            "message": diagnostic.message,
            "label": diagnostic.label,
            "help": diagnostic.help,
            "file": self.file,
            "line": line,
            "column": column,
            "end_line": end_line,
            "end_column": end_column,
            "path": diagnostic.path,
            "related": related.collect::<Vec<_>>(),
        })
    }

    /// Line and column from 1, columns in characters.
    fn position(&self, byte: usize) -> (usize, usize) {
        let line = self.text[..byte].bytes().filter(|b| *b == b'\n').count() + 1;
        (line, self.text[self.line_start(byte)..byte].chars().count() + 1)
    }

    fn line_start(&self, byte: usize) -> usize {
        self.text[..byte].rfind('\n').map_or(0, |at| at + 1)
    }

    /// The end of the line in which a span begins, or a little behind the span where that is far away.
    fn shown_end(&self, span: Span) -> usize {
        const BEHIND: usize = 1000;
        let near = span.end.saturating_add(BEHIND).min(self.text.len());
        let near = (span.start..=near).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(span.start);
        self.text[span.start..near].find('\n').map_or(near, |at| span.start + at)
    }
}
