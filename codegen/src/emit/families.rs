//! The families of signals beyond keywords and context: what each looks at, and with what it compares.

use super::{
    automata::{pattern_of, words_of},
    names::Names,
    rules::bounds,
    tokens::{decimal, int, option},
};
use crate::ir::{Counts, Feature, MetadataTest, Modality, Policy, Predicate, Signal, SignalWhat};
use crate::lower::structure::bound;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

/// The value of `Policy::families`.
pub(super) fn families(policy: &Policy, names: &Names) -> TokenStream {
    let is_any = |is: fn(&SignalWhat) -> bool| policy.signals.iter().any(|signal| is(&signal.what));
    let list = |is_any: bool, name: &str| {
        let name = format_ident!("{name}");
        if is_any { quote!(&#name) } else { quote!(&[]) }
    };
    let structures = list(is_any(|what| matches!(what, SignalWhat::Structure { .. })), "STRUCTURES");
    let conversations = list(is_any(|what| matches!(what, SignalWhat::Conversation { .. })), "CONVERSATIONS");
    let metadata = list(is_any(|what| matches!(what, SignalWhat::Metadata { .. })), "METADATA");
    let events = list(is_any(|what| matches!(what, SignalWhat::Event { .. })), "EVENTS");
    let roles = option(policy.identity.as_ref(), |identity| {
        let (user, groups, fail_open) = (&identity.user_header, &identity.groups_header, identity.fail_open);
        quote!(Roles { user_header: #user, groups_header: #groups, fail_open: #fail_open, roles: &ROLES })
    });
    let modality = option(policy.modality.as_ref(), |detector| {
        let first: usize = policy.signals.iter().map(|signal| signal.what.terms().count()).sum();
        let image = terms(first, detector.image.len());
        let both = terms(first + detector.image.len(), detector.both.len());
        let signal = |modality: Modality| {
            let is = |signal: &Signal| matches!(signal.what, SignalWhat::Modality(own) if own == modality);
            let position = policy.signals.iter().position(is);
            option(position.map(|n| &names.signals[n]), |name| quote!(#name))
        };
        let (ar, diffusion) = (signal(Modality::Ar), signal(Modality::Diffusion));
        let both_signal = signal(Modality::Both);
        quote! {
            Modality { image: #image, both: #both, ar: #ar, diffusion: #diffusion, both_signal: #both_signal }
        }
    });
    // The one place that names the detector: a router without such signals does not hold it.
    let languages = is_any(|what| matches!(what, SignalWhat::Language { .. }))
        .then(|| quote!(Languages { detect: ::hardwire::language::detect, signals: &LANGUAGES }));
    let languages = option(languages, |languages| languages);
    quote! {
        Families {
            structures: #structures,
            conversations: #conversations,
            metadata: #metadata,
            roles: #roles,
            events: #events,
            modality: #modality,
            languages: #languages,
        }
    }
}

/// The tables of each family.
pub(super) fn items(policy: &Policy, names: &Names) -> TokenStream {
    let (mut structures, mut conversations, mut metadata) = (Vec::new(), Vec::new(), Vec::new());
    let (mut roles, mut events, mut languages) = (Vec::new(), Vec::new(), Vec::new());
    let mut first_term = 0;
    for (n, (signal, id)) in policy.signals.iter().zip(&names.signals).enumerate() {
        let noted = |noted: Option<usize>| option(noted.map(|n| &names.measures[n]), |name| quote!(#name));
        let value = noted(signal.noted_value);
        match &signal.what {
            SignalWhat::Structure { feature, per_word, predicate } => {
                let feature = self::feature(feature, n, first_term);
                let holds = holds(predicate.as_ref(), quote!(n > 0.0));
                let from = predicate.as_ref().and_then(bound).map(decimal);
                let confidence = option(signal.noted_confidence.zip(from), |(noted, bound)| {
                    let measure = &names.measures[noted];
                    quote!((#measure, #bound))
                });
                structures.push(quote! {
                    StructureSignal {
                        signal: #id,
                        feature: #feature,
                        per_word: #per_word,
                        holds: #holds,
                        value: #value,
                        confidence: #confidence,
                    }
                });
            }
            SignalWhat::Conversation { counts, exists, predicate } => {
                let always = if *exists { quote!(n > 0.0) } else { quote!(n >= 0.0) };
                let (counts, holds) = (self::counts(*counts), holds(predicate.as_ref(), always));
                conversations.push(quote! {
                    ConversationSignal {
                        signal: #id,
                        counts: |c| #counts,
                        exists: #exists,
                        holds: #holds,
                        value: #value,
                    }
                });
            }
            SignalWhat::Metadata { key, test } => {
                let test = match test {
                    MetadataTest::In(values) => quote!(MetadataTest::In(&[#(#values),*])),
                    MetadataTest::Exists(exists) => quote!(MetadataTest::Exists(#exists)),
                };
                metadata.push(quote!(MetadataSignal { signal: #id, key: #key, test: #test }));
            }
            SignalWhat::Role { users, groups } => {
                roles.push(quote!(RoleSignal { signal: #id, users: &[#(#users),*], groups: &[#(#groups),*] }));
            }
            SignalWhat::Event { criteria } => {
                let mut first = first_term;
                let criteria = criteria.iter().map(|some| {
                    first += some.len();
                    terms(first - some.len(), some.len())
                });
                let criteria = quote!(&[#(#criteria),*]);
                let confidence = noted(signal.noted_confidence);
                events.push(quote!(EventSignal { signal: #id, criteria: #criteria, confidence: #confidence }));
            }
            SignalWhat::Language { code, threshold } => {
                let (threshold, confidence) = (decimal(*threshold), noted(signal.noted_confidence));
                languages.push(quote! {
                    LanguageSignal { signal: #id, code: #code, threshold: #threshold, confidence: #confidence }
                });
            }
            SignalWhat::Keyword { .. }
            | SignalWhat::Context { .. }
            | SignalWhat::Modality(_)
            | SignalWhat::Projection { .. } => {}
        }
        first_term += signal.what.terms().count();
    }
    let tables = [
        table("STRUCTURES", "StructureSignal", &structures),
        table("CONVERSATIONS", "ConversationSignal", &conversations),
        table("METADATA", "MetadataSignal", &metadata),
        table("ROLES", "RoleSignal", &roles),
        table("EVENTS", "EventSignal", &events),
        table("LANGUAGES", "LanguageSignal", &languages),
    ];
    quote!(#(#tables)*)
}

fn table(name: &str, of: &str, rows: &[TokenStream]) -> Option<TokenStream> {
    let (name, of, len) = (format_ident!("{name}"), format_ident!("{of}"), int(rows.len() as u64));
    (!rows.is_empty()).then(|| quote!(static #name: [#of; #len] = [#(#rows),*];))
}

fn terms(first: usize, count: usize) -> TokenStream {
    let (first, count) = (int(first as u64), int(count as u64));
    quote!(Terms { first: #first, count: #count })
}

fn feature(feature: &Feature, signal: usize, first_term: usize) -> TokenStream {
    let named = |name: String| -> Ident { format_ident!("{name}") };
    match feature {
        Feature::Exists(some) => {
            let terms = terms(first_term, some.len());
            quote!(Feature::Exists(#terms))
        }
        Feature::Words(_) => {
            let words = named(words_of(signal));
            quote!(Feature::Words(&#words))
        }
        Feature::Pattern(_) => {
            let pattern = named(pattern_of(signal));
            quote!(Feature::Pattern(#pattern))
        }
        Feature::Bytes => quote!(Feature::Bytes),
    }
}

/// A function that says whether a number is within the bounds.
fn holds(predicate: Option<&Predicate>, otherwise: TokenStream) -> TokenStream {
    let compared = predicate.map_or(otherwise, |predicate| {
        let bounds = bounds(predicate, &quote!(n));
        quote!(#(#bounds)&&*)
    });
    quote!(|n| #compared)
}

fn counts(counts: Counts) -> TokenStream {
    match counts {
        Counts::Messages => quote!(c.messages),
        Counts::UserMessages => quote!(c.user_messages),
        Counts::AssistantMessages => quote!(c.assistant_messages),
        Counts::SystemMessages => quote!(c.system_messages),
        Counts::DeveloperMessages => quote!(c.developer_messages),
        Counts::ToolMessages => quote!(c.tool_messages),
        Counts::NonUserMessages => quote!(c.messages - c.user_messages),
        Counts::ToolDefinitions => quote!(c.tool_definitions),
        Counts::ToolCalls => quote!(c.tool_calls),
        Counts::ActiveToolLoop => quote!(c.active_tool_loop),
        Counts::Images => quote!(c.images),
        Counts::ToolChoiceRequired => quote!(c.tool_choice_required),
        Counts::ToolChoiceNone => quote!(c.tool_choice_none),
    }
}
