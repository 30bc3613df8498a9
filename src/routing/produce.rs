//! What comes of a request to a decision that can have images made: words, an image, or both.

use crate::table::{Decision, Images, Maker, Modality, ModelId, Policy, SignalId, SignalSet};

/// What comes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Produce {
    /// Words alone.
    Text,
    /// An image alone.
    Image,
    /// Words and an image.
    Both,
}

/// Who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// A modality signal, or that there is none.
    Signal,
    /// The tools of the request.
    Tool,
    /// The decision makes nothing else.
    Decision,
}

impl Produce {
    /// As signals call it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Produce::Text => "AR",
            Produce::Image => "DIFFUSION",
            Produce::Both => "BOTH",
        }
    }
}

impl Said {
    /// As a header has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Said::Signal => "signal",
            Said::Tool => "tool",
            Said::Decision => "decision",
        }
    }
}

/// What comes of a request, where the decision that won has somebody who makes images. `wish` is what its tools say.
pub(super) fn produces(
    policy: &Policy,
    decision: &Decision,
    matched: &SignalSet,
    wish: Option<Produce>,
    has_default: bool,
) -> Option<(Produce, Said)> {
    let images = decision.plugins.images.as_ref()?;
    let signalled = || {
        let modality = policy.families.modality.as_ref();
        let is = |signal: fn(&Modality) -> Option<SignalId>| {
            modality.and_then(signal).is_some_and(|signal| matched.has(signal))
        };
        match (is(|modality| modality.diffusion), is(|modality| modality.both_signal)) {
            (_, true) => Produce::Both,
            (true, false) => Produce::Image,
            (false, false) => Produce::Text,
        }
    };
    let (produce, said) = match wish {
        Some(wish) => (wish, Said::Tool),
        None if images.always => (Produce::Image, Said::Decision),
        None => (signalled(), Said::Signal),
    };
    let lacks_words = match produce {
        // Words beside an image come from a model that the decision itself names.
        Produce::Both => decision.models.is_empty() && images.by.generator().is_some(),
        Produce::Text => decision.models.is_empty() && !has_default && wish.is_none(),
        Produce::Image => false,
    };
    Some(if lacks_words { (Produce::Image, said) } else { (produce, said) })
}

/// The model that makes the image, and its position among the models of the decision. `None`: words are asked for as usual,
/// be it beside an image.
pub(super) fn maker(images: &Images, produce: Produce) -> Option<(ModelId, usize)> {
    match (images.by, produce) {
        (_, Produce::Text) => None,
        (Maker::Omni { model, candidate }, _) => Some((model, candidate)),
        (Maker::Plugin(generator) | Maker::Model(generator), Produce::Image) => Some((generator.model, 0)),
        (Maker::Plugin(_) | Maker::Model(_), Produce::Both) => None,
    }
}
