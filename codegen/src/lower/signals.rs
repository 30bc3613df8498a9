//! `routing.signals`: every declared signal, and which of them decisions use.

use super::reach::Known;
use super::{Cx, context, conversation, events, keywords, language, metadata, modality, roles, structure};
use crate::ast::decode::{Leaf, nearest};
use crate::ast::node::Span;
use crate::ast::routing::Signals;
use crate::confidence::Range;
use crate::{errors, ir};
use std::collections::BTreeMap;

/// The server keeps matched signals in a set of this size.
const MAX_SIGNALS: usize = 1024;

/// Terms are numbered with 16 bits.
const MAX_TERMS: usize = 65_535;

/// The server keeps what signals measure in a list of this size.
const MAX_MEASURES: usize = 64;

/// A family of signals, as the `type` of a condition names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// `keyword`.
    Keyword,
    /// `context`.
    Context,
    /// `structure`.
    Structure,
    /// `conversation`.
    Conversation,
    /// `metadata`.
    Metadata,
    /// `authz`.
    Authz,
    /// `event`.
    Event,
    /// `modality`.
    Modality,
    /// `language`.
    Language,
    /// `projection`: an output of a mapping.
    Projection,
}

impl Kind {
    /// By the word in the document.
    pub(super) const ALL: &[(&str, Kind)] = &[
        ("keyword", Kind::Keyword),
        ("context", Kind::Context),
        ("structure", Kind::Structure),
        ("conversation", Kind::Conversation),
        ("metadata", Kind::Metadata),
        ("authz", Kind::Authz),
        ("event", Kind::Event),
        ("modality", Kind::Modality),
        ("language", Kind::Language),
        ("projection", Kind::Projection),
    ];

    /// The word in the document.
    pub(super) fn word(self) -> &'static str {
        Kind::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }

    /// Whether its signals count something, which a comparison then looks at rather than at how sure they are.
    pub(super) fn counts(self) -> bool {
        matches!(self, Kind::Structure | Kind::Conversation)
    }
}

/// All declared signals, by family, each in the order of the document.
#[derive(Debug, Default)]
pub(super) struct Declared {
    signals: Vec<Entry>,
    by_name: BTreeMap<(Kind, String), usize>,
}

#[derive(Debug)]
struct Entry {
    kind: Kind,
    signal: ir::Signal,
    at: Span,
    used: bool,
    /// Whether nobody has to be told where it is not used.
    silent: bool,
    /// What this version does not have, where it is declared by that.
    unsupported: Option<String>,
}

/// Resolves and checks every signal, used or not.
pub(super) fn declared(section: Option<&Signals>, cx: &mut Cx<'_>) -> Declared {
    let mut out = Declared::default();
    for item in section.iter().flat_map(|s| s.keywords.iter()).flat_map(|list| &list.items) {
        let name = out.declare(Kind::Keyword, item.name.as_ref(), (item.span, item.whole), cx);
        let what = keywords::lower(item, name.as_deref().unwrap_or("?"), cx);
        out.add(Kind::Keyword, name, what, item.name.as_ref().map_or(item.span, |leaf| leaf.span));
    }
    for item in section.iter().flat_map(|s| s.context.iter()).flat_map(|list| &list.items) {
        let name = out.declare(Kind::Context, item.name.as_ref(), (item.span, item.whole), cx);
        let what = context::lower(item, name.as_deref().unwrap_or("?"), cx);
        out.add(Kind::Context, name, what, item.name.as_ref().map_or(item.span, |leaf| leaf.span));
    }
    let at = |name: Option<&Leaf>, item: Span| name.map_or(item, |leaf| leaf.span);
    for item in section.iter().flat_map(|s| s.structure.iter()).flat_map(|list| &list.items) {
        let name = out.declare(Kind::Structure, item.name.as_ref(), (item.span, item.whole), cx);
        let what = structure::lower(item, cx);
        out.add_sound(Kind::Structure, name, what, at(item.name.as_ref(), item.span));
    }
    for item in section.iter().flat_map(|s| s.conversation.iter()).flat_map(|list| &list.items) {
        let name = out.declare(Kind::Conversation, item.name.as_ref(), (item.span, item.whole), cx);
        if let Some(source) = conversation::unsupported(item) {
            let what = format!("type: {}", source.text);
            let why = "no tool of the router itself leaves its state in a conversation";
            cx.sink.report(&errors::UNSUPPORTED_DECLARATION, source.span, &[&what, why]);
            out.add_unsupported(Kind::Conversation, name, &source.text, at(item.name.as_ref(), item.span));
            continue;
        }
        let what = conversation::lower(item, cx);
        out.add_sound(Kind::Conversation, name, what, at(item.name.as_ref(), item.span));
    }
    for item in section.iter().flat_map(|s| s.metadata.iter()).flat_map(|list| &list.items) {
        let name = out.declare(Kind::Metadata, item.name.as_ref(), (item.span, item.whole), cx);
        let what = metadata::lower(item, cx);
        out.add_sound(Kind::Metadata, name, what, at(item.name.as_ref(), item.span));
    }
    let mut bindings: BTreeMap<String, Span> = BTreeMap::new();
    for item in section.iter().flat_map(|s| s.role_bindings.iter()).flat_map(|list| &list.items) {
        let name = cx.required(item.name.as_ref(), "the role binding", "name", (item.span, item.whole));
        if let Some((at, name)) = name.and_then(|leaf| Some((leaf.span, cx.name(leaf, "name")?)))
            && let Some(first) = bindings.insert(name.clone(), at)
        {
            cx.sink.report(&errors::DUPLICATE_NAME, at, &["role binding", &name]).related(first, "first declared here");
        }
        if let Some((role, what)) = roles::binding(item, cx)
            && let Some(name) = cx.name(role, "role")
        {
            out.bind(name, what, role.span);
        }
    }
    for item in section.iter().flat_map(|s| s.events.iter()).flat_map(|list| &list.items) {
        let name = out.declare(Kind::Event, item.name.as_ref(), (item.span, item.whole), cx);
        let what = events::lower(item, name.as_deref().unwrap_or("?"), cx);
        out.add_sound(Kind::Event, name, what, at(item.name.as_ref(), item.span));
    }
    for item in section.iter().flat_map(|s| s.modality.iter()).flat_map(|list| &list.items) {
        cx.fixed_opt(item.description.as_ref(), "description");
        let name = out.declare(Kind::Modality, item.name.as_ref(), (item.span, item.whole), cx);
        let what = item.name.as_ref().filter(|_| name.is_some());
        let what = what.and_then(|leaf| cx.choice(leaf, "name", modality::NAMES, &[])).map(ir::SignalWhat::Modality);
        out.add_sound(Kind::Modality, name, what, at(item.name.as_ref(), item.span));
    }
    for item in section.iter().flat_map(|s| s.language.iter()).flat_map(|list| &list.items) {
        let name = out.declare(Kind::Language, item.name.as_ref(), (item.span, item.whole), cx);
        let what = language::lower(item, name.as_deref(), cx);
        out.add_sound(Kind::Language, name, what, at(item.name.as_ref(), item.span));
    }
    out
}

impl Declared {
    pub(super) fn declare(
        &mut self,
        kind: Kind,
        leaf: Option<&Leaf>,
        at: (Span, bool),
        cx: &mut Cx<'_>,
    ) -> Option<String> {
        let leaf = cx.required(leaf, &format!("the {} signal", kind.word()), "name", at)?;
        let name = cx.name(leaf, "name")?;
        if let Some(first) = self.by_name.get(&(kind, name.clone())) {
            let first = self.signals[*first].at;
            let what = format!("{} signal", kind.word());
            cx.sink.report(&errors::DUPLICATE_NAME, leaf.span, &[&what, &name]).related(first, "first declared here");
            return None;
        }
        Some(name)
    }

    fn add(&mut self, kind: Kind, name: Option<String>, what: ir::SignalWhat, at: Span) {
        let Some(name) = name else { return };
        self.by_name.insert((kind, name.clone()), self.signals.len());
        let confidence = match &what {
            ir::SignalWhat::Structure { feature, per_word, predicate } => {
                structure::confidence(feature, *per_word, predicate.as_ref())
            }
            ir::SignalWhat::Event { criteria } => events::confidence(criteria.len()),
            ir::SignalWhat::Language { threshold, .. } => Range { least: *threshold, most: 1.0 },
            _ => Range::FULL,
        };
        let signal = ir::Signal { name, what, confidence, noted_confidence: None, noted_value: None };
        self.signals.push(Entry { kind, signal, at, used: false, silent: false, unsupported: None });
    }

    /// The same of a signal that may be broken, which was reported: conditions may name it all the same.
    fn add_sound(&mut self, kind: Kind, name: Option<String>, what: Option<ir::SignalWhat>, at: Span) {
        let stand_in = ir::SignalWhat::Metadata { key: String::new(), test: ir::MetadataTest::Exists(true) };
        self.add(kind, name, what.unwrap_or(stand_in), at);
    }

    /// A signal of a type that this version does not have: a mistake once a condition names it.
    fn add_unsupported(&mut self, kind: Kind, name: Option<String>, what: &str, at: Span) {
        if name.is_none() {
            return;
        }
        self.add_sound(kind, name, None, at);
        if let Some(entry) = self.signals.last_mut() {
            (entry.silent, entry.unsupported) = (true, Some(what.to_owned()));
        }
    }

    /// Gives a role to some more users and groups.
    fn bind(&mut self, role: String, what: ir::SignalWhat, at: Span) {
        let Some(index) = self.by_name.get(&(Kind::Authz, role.clone())) else {
            return self.add(Kind::Authz, Some(role), what, at);
        };
        if let (ir::SignalWhat::Role { users, groups }, ir::SignalWhat::Role { users: more, groups: others }) =
            (&mut self.signals[*index].signal.what, what)
        {
            users.extend(more);
            groups.extend(others);
        }
    }

    /// Declares an output of the mapping with this index, and gives its index.
    pub(super) fn add_projection(
        &mut self,
        name: Option<String>,
        mapping: usize,
        confidence: Range,
        at: Span,
    ) -> Option<usize> {
        let index = self.signals.len();
        self.add(Kind::Projection, name, ir::SignalWhat::Projection { mapping }, at);
        self.signals.get_mut(index)?.signal.confidence = confidence;
        Some(index)
    }

    /// What a used output of a mapping is projected from is used too.
    /// Mappings come after those that they depend on.
    pub(super) fn use_inputs(&mut self, mappings: &mut [ir::Mapping]) {
        for mapping in mappings.iter_mut().rev() {
            if !mapping.outputs.iter().any(|output| output.signal.is_some_and(|signal| self.signals[signal].used)) {
                continue;
            }
            // A band that no decision names still bounds the others.
            for output in mapping.outputs.iter().filter_map(|output| output.signal) {
                self.signals[output].silent = true;
            }
            for input in &mut mapping.inputs {
                input.signals(&mut |signal, value| {
                    self.signals[*signal].used = true;
                    if value == ir::InputValue::Raw {
                        self.ask_value(*signal);
                    }
                });
            }
        }
    }

    /// Where the first used signal of a family stands.
    pub(super) fn used_at(&self, kind: Kind) -> Option<Span> {
        self.signals.iter().find(|entry| entry.kind == kind && entry.used).map(|entry| entry.at)
    }

    /// Notes which modalities a rule asks for. What it denies it does not ask for.
    pub(super) fn asked_modality(&self, rule: &ir::Rule, denied: bool, asked: &mut super::images::Asked) {
        match rule {
            ir::Rule::Signal(index) | ir::Rule::Compare { signal: index, .. } => {
                let ir::SignalWhat::Modality(modality) = &self.signals[*index].signal.what else { return };
                asked.modality = true;
                asked.diffusion |= !denied && *modality == ir::Modality::Diffusion;
                asked.both |= !denied && *modality == ir::Modality::Both;
            }
            ir::Rule::All(rules) | ir::Rule::Any(rules) => {
                rules.iter().for_each(|rule| self.asked_modality(rule, denied, asked));
            }
            ir::Rule::Not(rule) => self.asked_modality(rule, !denied, asked),
        }
    }

    /// The declared signal that a condition names, from now on a used one.
    pub(super) fn use_named(&mut self, kind: Kind, leaf: &Leaf, cx: &mut Cx<'_>) -> Option<usize> {
        let index = self.find(kind, leaf, cx)?;
        self.signals[index].used = true;
        Some(index)
    }

    /// The declared signal of this name.
    pub(super) fn find(&self, kind: Kind, leaf: &Leaf, cx: &mut Cx<'_>) -> Option<usize> {
        let name = cx.fixed(leaf, "name")?;
        let key = (kind, name);
        let Some(index) = self.by_name.get(&key) else {
            let same_kind = self.signals.iter().filter(|entry| entry.kind == kind);
            let other = Kind::ALL.iter().find(|(_, other)| self.by_name.contains_key(&(*other, key.1.clone())));
            let help = match other {
                Some((word, _)) => Some(format!("there is a {word} signal of this name: did you mean `type: {word}`?")),
                None => nearest(&key.1, same_kind.map(|entry| entry.signal.name.as_str()))
                    .map(|near| format!("did you mean `{near}`?")),
            };
            cx.sink.report(&errors::UNKNOWN_SIGNAL, leaf.span, &[kind.word(), &key.1]).help(help);
            return None;
        };
        let entry = &self.signals[*index];
        if let Some(what) = &entry.unsupported {
            let report = cx.sink.report(&errors::UNSUPPORTED_VALUE, leaf.span, &["type", what]);
            report.related(entry.at, "this signal is of that type");
        }
        Some(*index)
    }

    /// A rule or a score asks for what this signal counted.
    pub(super) fn ask_value(&mut self, index: usize) {
        let Entry { kind, signal, .. } = &mut self.signals[index];
        if kind.counts() {
            signal.noted_value = Some(0); // its number is given when all are known
        }
    }

    /// What is known of each signal before any request.
    pub(super) fn known(&self) -> Vec<Known> {
        let known = |entry: &Entry| Known {
            band: match entry.signal.what {
                ir::SignalWhat::Context { min_tokens, max_tokens } => Some((min_tokens, max_tokens)),
                // It always matches, whatever it counts.
                ir::SignalWhat::Conversation { exists: false, predicate: None, .. } => Some((0, u64::MAX)),
                _ => None,
            },
            confidence: entry.signal.confidence,
            counts: entry.kind.counts(),
        };
        self.signals.iter().map(known).collect()
    }

    /// The used signals, and for each declared one its id among them. Unused ones are told, unless they may have been
    /// meant by a decision that is broken.
    pub(super) fn used(self, tell_unused: bool, cx: &mut Cx<'_>) -> (Vec<ir::Signal>, Vec<Option<usize>>) {
        let mut ids = Vec::with_capacity(self.signals.len());
        let mut signals = Vec::new();
        let mut terms = 0;
        let last = self.signals.last().map_or_else(Span::default, |entry| entry.at);
        for entry in self.signals {
            if !entry.used {
                if tell_unused && !entry.silent {
                    let arguments = [entry.kind.word(), entry.signal.name.as_str()];
                    cx.sink.report(&errors::UNUSED_SIGNAL, entry.at, &arguments);
                }
                ids.push(None);
                continue;
            }
            terms += entry.signal.what.terms().count();
            ids.push(Some(signals.len()));
            signals.push(entry.signal);
        }
        let measures = noted(&mut signals);
        let counts = [
            ("signals", signals.len(), MAX_SIGNALS),
            ("keywords", terms, MAX_TERMS),
            ("measures", measures, MAX_MEASURES),
        ];
        for (what, count, most) in counts {
            if count > most {
                cx.sink.report(&errors::TOO_MANY, last, &[what, &count.to_string(), &most.to_string()]);
            }
        }
        (signals, ids)
    }
}

/// Gives numbers to what signals note, and counts them. What they counted was asked for with any number.
fn noted(signals: &mut [ir::Signal]) -> usize {
    let mut next = 0;
    let mut number = || {
        next += 1;
        next - 1
    };
    for signal in signals {
        signal.noted_confidence = signal.confidence.constant().is_none().then(&mut number);
        signal.noted_value = signal.noted_value.map(|_| number());
    }
    next
}
