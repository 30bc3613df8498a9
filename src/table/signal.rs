//! Signals: what is noticed about a request, as bits that generated decisions read.

use super::{Near, Ranked, Similar};

/// Index into [`Policy::signals`](super::Policy::signals), and bit of a [`SignalSet`]. Below [`SignalSet::CAPACITY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignalId(pub u16);

/// A named signal.
#[derive(Debug)]
pub struct Signal {
    /// The family.
    pub kind: SignalKind,
    /// Its name in the document.
    pub name: &'static str,
}

/// The families of signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignalKind {
    /// `routing.signals.keywords`.
    Keyword,
    /// `routing.signals.context`.
    Context,
    /// `routing.signals.structure`.
    Structure,
    /// `routing.signals.conversation`.
    Conversation,
    /// `routing.signals.metadata`.
    Metadata,
    /// `routing.signals.role_bindings`; its name is that of the role.
    Authz,
    /// `routing.signals.events`.
    Event,
    /// `routing.signals.modality`.
    Modality,
    /// `routing.signals.language`.
    Language,
    /// An output of `routing.projections.mappings`.
    Projection,
}

impl SignalKind {
    /// Every family, in the order of signal ids.
    pub const ALL: [SignalKind; 10] = [
        SignalKind::Keyword,
        SignalKind::Context,
        SignalKind::Structure,
        SignalKind::Conversation,
        SignalKind::Metadata,
        SignalKind::Authz,
        SignalKind::Event,
        SignalKind::Modality,
        SignalKind::Language,
        SignalKind::Projection,
    ];

    /// As the `type` of a condition names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            SignalKind::Keyword => "keyword",
            SignalKind::Context => "context",
            SignalKind::Structure => "structure",
            SignalKind::Conversation => "conversation",
            SignalKind::Metadata => "metadata",
            SignalKind::Authz => "authz",
            SignalKind::Event => "event",
            SignalKind::Modality => "modality",
            SignalKind::Language => "language",
            SignalKind::Projection => "projection",
        }
    }
}

/// A keyword signal: which of its terms must stand in the text.
#[derive(Debug)]
pub struct KeywordSignal {
    /// Its bit.
    pub signal: SignalId,
    /// How the terms combine.
    pub operator: KeywordOperator,
    /// First of its terms.
    pub first_term: u16,
    /// Number of its terms, at least 1.
    pub terms: u16,
}

/// How the terms of a keyword signal combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeywordOperator {
    /// At least one stands in the text.
    Or,
    /// All stand in the text.
    And,
    /// None stands in the text.
    Nor,
}

/// What finds terms of keyword signals, overlaps included, in one pass over the text.
#[derive(Debug)]
pub enum Automaton {
    /// Keywords as they are written.
    Literals(Literals),
    /// Regular expressions.
    Patterns(Patterns),
    /// Keywords that a word may miss by some edits.
    Near(Near),
    /// Keywords that share groups of letters with a word.
    Similar(Similar),
    /// Keywords by the weights of their stems.
    Ranked(Ranked),
}

/// A deterministic automaton over the bytes of the text. It takes letters that differ only in case for the same, and
/// knows nothing of words: both are looked at when it stops at a term.
#[derive(Debug)]
pub struct Literals {
    /// Number of states. The automaton starts in state 0.
    pub states: usize,
    /// 256 bytes with the class of each byte, then the next states, two bytes each, the lower first: first those of
    /// class 0 by state, then those of class 1 and so on. Bytes of one class lead every state to the same state.
    pub table: &'static [u8],
    /// The most bytes that a keyword can take in a text.
    pub longest: usize,
    /// In the states from this one on a term ends.
    pub first_match: u16,
    /// For each of those states, indices into `terms`.
    pub matches: &'static [&'static [u16]],
    /// The terms that it finds.
    pub terms: &'static [Term],
}

/// A keyword that stands in [`Literals`].
#[derive(Debug, Clone, Copy)]
pub struct Term {
    /// Number of the term, over all automata.
    pub term: u16,
    /// Length in characters, to find where a match began.
    pub chars: u16,
    /// What must hold before the match.
    pub left: Edge,
    /// What must hold after the match.
    pub right: Edge,
    /// The keyword, where its case matters.
    pub exact: Option<&'static str>,
}

/// A condition on the edge of a literal match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Any neighbour will do.
    Any,
    /// The neighbouring character must not be a letter, a digit or an underscore of a script that sets words apart with
    /// spaces.
    Word,
}

/// A dense DFA over many regular expressions.
#[derive(Debug)]
pub struct Patterns {
    /// `regex_automata::dfa::dense::DFA`, serialised for this target's byte order.
    pub dfa: &'static AlignedBytes<[u8]>,
    /// Number of the term that each pattern of the DFA stands for, by pattern id.
    pub terms: &'static [u16],
}

/// Bytes aligned as a DFA's transition table wants them.
pub type AlignedBytes<B> = regex_automata::util::wire::AlignAs<B, u32>;

/// A context-length signal: a band of estimated tokens, both ends inclusive.
#[derive(Debug)]
pub struct ContextSignal {
    /// Its bit.
    pub signal: SignalId,
    /// Fewest tokens.
    pub min_tokens: u64,
    /// Most tokens.
    pub max_tokens: u64,
}
