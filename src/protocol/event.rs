//! What happens in an answer, in no protocol's terms: decoders make these events of what a backend sends, encoders write them
//! in the protocol of the client. N decoders and N encoders, not N × N pairs.
//!
//! Plain answers are told in the same events, so that there is one account of what each protocol means.

use super::failure::Failure;
use super::out::JsonText;
use super::view::View;

/// One thing that happens in an answer. Texts borrow from what came in.
///
/// The order: `Start` once, then contents in the order of the answer, `Stop` once, `End` once. `Usage` comes whenever something
/// new is known: before `Start`, too, and behind `Stop`. `Failure` may come at any point in place of the rest and is the last
/// event then.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The answer begins.
    Start {
        /// The backend's id of the answer; empty where it told none.
        id: JsonText<'a>,
        /// What the backend calls the model; empty where it told none.
        model: JsonText<'a>,
        /// When it was made, in seconds since 1970, where the backend tells.
        created: Option<u64>,
    },
    /// More of what the model says.
    Text(JsonText<'a>),
    /// More of why the model does not answer.
    Refusal(JsonText<'a>),
    /// More of what the model thinks.
    Thinking(JsonText<'a>),
    /// The signature of the thinking up to here: that block is complete. It may come without any thinking before it.
    Signature(JsonText<'a>),
    /// A block of thinking that nobody but the provider can read.
    RedactedThinking(JsonText<'a>),
    /// The model calls a tool. Its input follows in `ToolInput`, until something else than `ToolInput` or `Usage` comes.
    ToolCall {
        /// The backend's id of the call.
        id: JsonText<'a>,
        /// Name of the tool.
        name: JsonText<'a>,
    },
    /// More of the input of the last tool call: a fragment of a JSON document, as the body of a JSON string. A call without
    /// input has no such event: encoders write `{}`.
    ToolInput(JsonText<'a>),
    /// An image, whole.
    Image(Image<'a>),
    /// An image was asked for beside the rest and could not be made.
    NoImage,
    /// What is known by now of the tokens. Later counts replace earlier ones; what is `None` stays as it was.
    Usage(Usage),
    /// Why the answer ends.
    Stop(Stop<'a>),
    /// The answer is complete.
    End,
    /// The backend reports an error in place of the rest.
    Failure(&'a Failure),
}

/// An image that a model has made.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// What its data URL begins with, up to the comma; empty where `source` is no data.
    pub data: JsonText<'a>,
    /// Base64, or where the image can be fetched.
    pub source: JsonText<'a>,
}

impl<'a> Image<'a> {
    /// The image that a URL stands for, be it one of data.
    #[must_use]
    pub fn of_url(url: JsonText<'a>) -> Image<'a> {
        /// The beginning of a data URL is short: a text of megabytes is not searched.
        const LONGEST: usize = 256;
        let raw = url.as_raw();
        let is_data = raw.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"data:"));
        let comma = raw.iter().take(LONGEST).position(|byte| *byte == b',').filter(|_| is_data);
        let (data, source) = url.split_at(comma.map_or(0, |comma| comma + 1));
        Image { data, source }
    }
}

/// What stands for an image where a protocol or a model has none.
pub const IMAGE_SHOWN: &str = "[an image]";

/// The kinds of text that an answer is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delta {
    /// See [`Event::Text`].
    Text,
    /// See [`Event::Refusal`].
    Refusal,
    /// See [`Event::Thinking`].
    Thinking,
    /// See [`Event::ToolInput`].
    ToolInput,
}

impl Delta {
    /// More of this kind.
    #[must_use]
    pub fn event(self, text: JsonText<'_>) -> Event<'_> {
        match self {
            Delta::Text => Event::Text(text),
            Delta::Refusal => Event::Refusal(text),
            Delta::Thinking => Event::Thinking(text),
            Delta::ToolInput => Event::ToolInput(text),
        }
    }
}

/// Tells of the input of a call that stands there as an object. Of an empty one there is nothing to tell.
pub(super) fn tell_object(input: &View<'_>, emit: &mut impl FnMut(Event<'_>)) {
    if input.members().left().next().is_some() {
        emit(Event::ToolInput(JsonText::raw(escaped(input.raw()).as_bytes())));
    }
}

/// JSON as the body of a JSON string.
pub(super) fn escaped(json: &str) -> String {
    let quoted = serde_json::to_string(json).expect("a string always serialises");
    quoted[1..quoted.len() - 1].to_owned()
}

/// Tells events, and remembers whether a text was all there was to tell.
pub(super) struct Teller<'a, 'e, F> {
    emit: &'e mut F,
    count: usize,
    last: Option<(Delta, JsonText<'a>)>,
}

impl<'a, 'e, F: FnMut(Event<'_>)> Teller<'a, 'e, F> {
    pub(super) fn new(emit: &'e mut F) -> Self {
        Teller { emit, count: 0, last: None }
    }

    pub(super) fn event(&mut self, event: Event<'_>) {
        self.count += 1;
        (self.emit)(event);
    }

    /// An empty text is nothing to tell.
    pub(super) fn delta(&mut self, delta: Delta, text: JsonText<'a>) {
        if !text.is_empty() {
            self.last = Some((delta, text));
            self.event(delta.event(text));
        }
    }

    /// Whether anything was told.
    pub(super) fn has_told(&self) -> bool {
        self.count > 0
    }

    /// The one text, if nothing else was told.
    pub(super) fn only_text(&self) -> Option<(Delta, JsonText<'a>)> {
        self.last.filter(|_| self.count == 1)
    }
}

/// Tokens, in disjoint counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of the prompt, neither read from nor written to a cache.
    pub input: Option<u64>,
    /// Of the prompt, read from a cache.
    pub cached: Option<u64>,
    /// Of the prompt, written to a cache.
    pub cache_write: Option<u64>,
    /// Of the answer, thinking included.
    pub output: Option<u64>,
    /// Of the answer, those that were thinking.
    pub reasoning: Option<u64>,
}

impl Usage {
    /// Takes over what is newer.
    pub fn update(&mut self, newer: Usage) {
        let Usage { input, cached, cache_write, output, reasoning } = newer;
        self.input = input.or(self.input);
        self.cached = cached.or(self.cached);
        self.cache_write = cache_write.or(self.cache_write);
        self.output = output.or(self.output);
        self.reasoning = reasoning.or(self.reasoning);
    }

    /// Tokens of the whole prompt.
    #[must_use]
    pub fn prompt(&self) -> u64 {
        [self.input, self.cached, self.cache_write].into_iter().flatten().fold(0, u64::saturating_add)
    }

    /// Tokens of the answer.
    #[must_use]
    pub fn completion(&self) -> u64 {
        self.output.unwrap_or_default()
    }

    /// Of a prompt count that includes what was read from and written to caches, as OpenAI reports it.
    #[must_use]
    pub fn of_whole_prompt(prompt: u64, cached: Option<u64>, cache_write: Option<u64>) -> Usage {
        let cached = cached.map(|n| n.min(prompt));
        let rest = prompt - cached.unwrap_or_default();
        let cache_write = cache_write.map(|n| n.min(rest));
        Usage { input: Some(rest - cache_write.unwrap_or_default()), cached, cache_write, ..Usage::default() }
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Usage::default()
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy)]
pub enum Stop<'a> {
    /// The model was done.
    EndTurn,
    /// A text came up at which the client wanted it to stop; the text, where the backend tells.
    Sequence(Option<JsonText<'a>>),
    /// The most tokens were reached, or the end of the model's context.
    Length,
    /// Tools are to be called.
    ToolUse,
    /// The provider or the model refuses.
    Refusal,
    /// A long turn was paused; the client may send it back to go on (Anthropic: `pause_turn`).
    Pause,
}

#[cfg(test)]
mod tests {
    use super::Usage;

    #[test]
    fn later_counts_replace_earlier_ones() {
        let mut usage = Usage { input: Some(10), cached: Some(5), output: Some(1), ..Usage::default() };
        usage.update(Usage { output: Some(7), cache_write: Some(2), ..Usage::default() });
        assert_eq!((usage.prompt(), usage.completion()), (17, 7));
    }

    #[test]
    fn caches_are_parts_of_the_prompt() {
        let usage = Usage::of_whole_prompt(100, Some(60), Some(50));
        assert_eq!((usage.input, usage.cached, usage.cache_write), (Some(0), Some(60), Some(40)));
        assert_eq!(usage.prompt(), 100);
    }
}
