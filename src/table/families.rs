//! Signals that look at more than the words and the length of a prompt: its structure, the conversation around it, the
//! metadata and the identity that come with it.
//!
//! What a document compares with is in the small functions of each signal: `|n| n >= 4.0`.

use super::{AlignedBytes, Automaton, MeasureId, SignalId};

/// The families that are used.
#[derive(Debug)]
pub struct Families {
    /// `routing.signals.structure`.
    pub structures: &'static [StructureSignal],
    /// `routing.signals.conversation`.
    pub conversations: &'static [ConversationSignal],
    /// `routing.signals.metadata`.
    pub metadata: &'static [MetadataSignal],
    /// `routing.signals.role_bindings`.
    pub roles: Option<Roles>,
    /// `routing.signals.events`.
    pub events: &'static [EventSignal],
    /// `routing.signals.modality`.
    pub modality: Option<Modality>,
    /// `routing.signals.language`.
    pub languages: Option<Languages>,
}

impl Families {
    /// None of them.
    pub const NONE: Families = Families {
        structures: &[],
        conversations: &[],
        metadata: &[],
        roles: None,
        events: &[],
        modality: None,
        languages: None,
    };

    /// Whether any signal looks at the user's text beside its keywords.
    #[must_use]
    pub const fn read_text(&self) -> bool {
        !self.structures.is_empty() || !self.events.is_empty() || self.modality.is_some() || self.languages.is_some()
    }
}

/// Some terms of the automata.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// The first.
    pub first: u16,
    /// How many.
    pub count: u16,
}

/// Something that can be counted in the last message of the user. It never matches a message without text.
#[derive(Debug)]
pub struct StructureSignal {
    /// Its bit.
    pub signal: SignalId,
    /// What is counted.
    pub feature: Feature,
    /// Whether the count is divided by the number of words; each character of a script without spaces is one.
    pub per_word: bool,
    /// Whether it matches with this count.
    pub holds: fn(f64) -> bool,
    /// Where to note the count.
    pub value: Option<MeasureId>,
    /// Where to note how sure it is, and the bound from which that is measured.
    pub confidence: Option<(MeasureId, f64)>,
}

/// What is counted in a text.
#[derive(Debug)]
pub enum Feature {
    /// 1 where one of these terms stands in it, else 0.
    Exists(Terms),
    /// How often keywords stand in it, each counted for itself.
    Words(&'static [Automaton]),
    /// How often an expression matches, from left to right, without overlaps: a serialised DFA.
    Pattern(&'static AlignedBytes<[u8]>),
    /// Its length in bytes.
    Bytes,
}

/// A number that describes the conversation.
#[derive(Debug)]
pub struct ConversationSignal {
    /// Its bit.
    pub signal: SignalId,
    /// Which number.
    pub counts: fn(&Conversation) -> u32,
    /// Whether only 1 and 0 are told apart.
    pub exists: bool,
    /// Whether it matches with this number.
    pub holds: fn(f64) -> bool,
    /// Where to note it.
    pub value: Option<MeasureId>,
}

/// What a request's conversation is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Conversation {
    /// Messages of the user.
    pub user_messages: u32,
    /// Messages of the assistant.
    pub assistant_messages: u32,
    /// System messages.
    pub system_messages: u32,
    /// Developer messages.
    pub developer_messages: u32,
    /// Results of tools.
    pub tool_messages: u32,
    /// All messages.
    pub messages: u32,
    /// Tools that the model may call.
    pub tool_definitions: u32,
    /// Calls that the assistant made.
    pub tool_calls: u32,
    /// 1 while the assistant works with tools: the last message calls one, answers one, or follows an answer.
    pub active_tool_loop: u32,
    /// Images in messages.
    pub images: u32,
    /// 1 where the client demands that a tool be called.
    pub tool_choice_required: u32,
    /// 1 where the client forbids it.
    pub tool_choice_none: u32,
}

/// A condition on an entry of a request's `metadata`.
#[derive(Debug)]
pub struct MetadataSignal {
    /// Its bit.
    pub signal: SignalId,
    /// Key of the entry.
    pub key: &'static str,
    /// The condition.
    pub test: MetadataTest,
}

/// What is asked of an entry.
#[derive(Debug)]
pub enum MetadataTest {
    /// It is one of these.
    In(&'static [&'static str]),
    /// It is there, or not.
    Exists(bool),
}

/// Roles, and how a request tells who sends it.
#[derive(Debug)]
pub struct Roles {
    /// Header with the user, in lower case.
    pub user_header: &'static str,
    /// Header with the groups, set apart by commas, in lower case.
    pub groups_header: &'static str,
    /// Whether a request that does not tell is served all the same, without a role.
    pub fail_open: bool,
    /// The roles that decisions ask for.
    pub roles: &'static [RoleSignal],
}

/// A role and who has it.
#[derive(Debug)]
pub struct RoleSignal {
    /// Its bit.
    pub signal: SignalId,
    /// These users.
    pub users: &'static [&'static str],
    /// Members of these groups.
    pub groups: &'static [&'static str],
}

/// Signs of an event in the last message of the user: one of its criteria at least is met. How sure it is rises with how
/// many are.
#[derive(Debug)]
pub struct EventSignal {
    /// Its bit.
    pub signal: SignalId,
    /// The terms of each criterion: one of them must stand in the text.
    pub criteria: &'static [Terms],
    /// Where to note how sure it is.
    pub confidence: Option<MeasureId>,
}

/// What kind of answer the last message of the user asks for: exactly one of three.
#[derive(Debug)]
pub struct Modality {
    /// Terms that ask for an image.
    pub image: Terms,
    /// Terms that ask for words beside it.
    pub both: Terms,
    /// Words alone.
    pub ar: Option<SignalId>,
    /// An image alone.
    pub diffusion: Option<SignalId>,
    /// Both.
    pub both_signal: Option<SignalId>,
}

/// What tells languages apart, and the signals that ask for some.
#[derive(Debug)]
pub struct Languages {
    /// The language of a text. Generated code alone names it, so that a router without such signals does not hold it.
    pub detect: fn(&str) -> Language,
    /// The signals.
    pub signals: &'static [LanguageSignal],
}

/// The language of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Language {
    /// Two letters of ISO 639-1.
    pub code: &'static str,
    /// How sure that is, 0 to 1.
    pub confidence: f64,
}

/// The user writes in a language.
#[derive(Debug)]
pub struct LanguageSignal {
    /// Its bit.
    pub signal: SignalId,
    /// Which language.
    pub code: &'static str,
    /// How sure that must be.
    pub threshold: f64,
    /// Where to note how sure it is.
    pub confidence: Option<MeasureId>,
}

/// How sure a structure signal is at this distance from its bound.
#[must_use]
pub fn sure_at(distance: f64) -> f64 {
    (1.0 / (1.0 + (-4.0 * distance.abs()).exp())).max(0.5)
}

/// How sure the output of a mapping is whose score stands at this distance from the nearest of its bounds.
#[must_use]
pub fn sure_within<const N: usize>(slope: f64, score: f64, bounds: [f64; N]) -> f64 {
    let distance = bounds.into_iter().map(|bound| (score - bound).abs()).fold(f64::INFINITY, f64::min);
    1.0 / (1.0 + (-slope * distance).exp())
}
