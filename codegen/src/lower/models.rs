//! `providers` and `routing.modelCards`: models by name.

use super::reasoning::{Families, Reasoner, takes_thinking};
use super::{Cx, backend, context, key_span, pricing, reliability};
use crate::ast::Document;
use crate::ast::decode::{Leaf, List, nearest};
use crate::ast::node::{Node, Span};
use crate::ast::providers::{Model, Providers};
use crate::ast::routing::{Lora, MAX_OUTPUT_TOKENS, ModelCard};
use crate::{errors, ir};
use std::collections::BTreeMap;

/// Models, backends, signals and decisions are numbered with 16 bits.
pub(super) const MAX_IDS: usize = 65_535;

/// What a request to Anthropic's protocol asks for where neither client nor document says how long an answer may be. As
/// upstream has it.
const DEFAULT_MAX_OUTPUT_TOKENS: u64 = 4096;

/// The models of a document.
#[derive(Debug, Default)]
pub(super) struct Models {
    /// In its order; indices are model ids.
    pub(super) models: Vec<ir::Model>,
    /// Where virtual names go when no decision matches.
    pub(super) default: Option<usize>,
    /// Whether the document says so, be it a name that does not exist.
    pub(super) default_given: bool,
    /// Whether a model has a name that could not be read. Who names it elsewhere is not to blame.
    some_unnamed: bool,
    /// Index and place of the name.
    by_name: BTreeMap<String, (usize, Span)>,
    /// How models are told to reason.
    pub(super) families: Families,
    /// By model, adapters left out: their base speaks for them.
    reasoners: Vec<Option<Reasoner>>,
}

impl Models {
    /// Where the model of this name is declared.
    pub(super) fn declared_at(&self, name: &str) -> Option<Span> {
        self.by_name.get(name).map(|(_, at)| *at)
    }

    /// The adapter of a model that a value names.
    pub(super) fn lora(&self, base: usize, leaf: &Leaf, cx: &mut Cx<'_>) -> Option<usize> {
        let name = cx.fixed(leaf, "lora_name")?;
        let of_base = |index: &usize| self.models[*index].lora_of == Some(base);
        let found = self.by_name.get(&name).map(|(index, _)| *index).filter(of_base);
        if found.is_none() {
            let adapters = self.models.iter().filter(|model| model.lora_of == Some(base));
            let near = nearest(&name, adapters.map(|model| model.name.as_str()));
            let help = near.map(|near| format!("did you mean `{near}`?"));
            cx.sink.report(&errors::UNKNOWN_LORA, leaf.span, &[&self.models[base].name, &name]).help(help);
        }
        found
    }

    /// How a model is told to reason.
    pub(super) fn reasoner(&self, model: usize) -> Option<&Reasoner> {
        let base = self.models[model].lora_of.unwrap_or(model);
        self.reasoners[base].as_ref()
    }

    /// The model that a value names.
    pub(super) fn named(&self, leaf: &Leaf, key: &str, cx: &mut Cx<'_>) -> Option<usize> {
        let name = cx.fixed(leaf, key)?;
        let found = self.by_name.get(&name).map(|(index, _)| *index);
        if found.is_none() && !self.some_unnamed {
            let near = nearest(&name, self.by_name.keys().map(String::as_str));
            let help = near.map(|near| format!("did you mean `{near}`?"));
            cx.sink.report(&errors::UNKNOWN_MODEL, leaf.span, &[&name]).help(help);
        }
        found
    }
}

/// Resolves models, their backends, their cards and the default.
pub(super) fn lower(document: &Document, root: &Node, auto_names: &[String], cx: &mut Cx<'_>) -> Models {
    let providers = document.providers.as_ref();
    let list = providers.and_then(|providers| providers.models.as_ref());
    let Some(list) = list.filter(|list| list.written > 0) else {
        if document.whole && providers.is_none_or(|providers| providers.whole) {
            let at = list.map_or_else(|| key_span(root, "providers"), |list| list.span);
            cx.sink.report(&errors::NO_MODELS, at, &[]);
        }
        return Models { some_unnamed: true, ..Models::default() };
    };
    let defaults = providers.and_then(|providers| providers.defaults.as_ref());
    let think = list.items.iter().any(|item| item.api_format.as_ref().is_some_and(|leaf| leaf.text == "anthropic"));
    let mut out = Models { families: Families::of(defaults, think, cx), ..Models::default() };
    for item in &list.items {
        let name = name(item, auto_names, &mut out, cx);
        out.some_unnamed |= name.is_none();
        let mut model = model(item, name, cx);
        let messages = model.protocol == ir::Protocol::Messages;
        let reasoner = out.families.reasoner(item.reasoning_family.as_ref(), messages, hosts(item, &model), cx);
        model.takes_effort = reasoner.as_ref().is_some_and(|reasoner| out.families.takes_effort(reasoner));
        let takes_thinking =
            hosts(item, &model).all(|(host, provider)| takes_thinking(host.as_deref(), provider.as_deref()));
        model.takes_thinking = takes_thinking;
        out.reasoners.push(reasoner);
        out.models.push(model);
    }
    if list.items.len() == list.written && list.items.iter().all(|item| item.whole) {
        out.families.tell_unused(cx);
    }
    cards(document.routing.as_ref().and_then(|routing| routing.model_cards.as_ref()), auto_names, &mut out, cx);
    let backends = out.models.iter().map(|model| model.backends.len()).sum::<usize>();
    for (what, count) in [("models", out.models.len()), ("backends", backends)] {
        if count > MAX_IDS {
            cx.sink.report(&errors::TOO_MANY, list.span, &[what, &count.to_string(), "65535"]);
        }
    }
    out.default = default_model(providers, &out, cx);
    out.default_given = providers.is_some_and(|providers| {
        !providers.whole
            || providers.defaults.as_ref().is_some_and(|defaults| !defaults.whole || given(providers).is_some())
    });
    out
}

fn name(item: &Model, auto_names: &[String], out: &mut Models, cx: &mut Cx<'_>) -> Option<String> {
    let leaf = cx.required(item.name.as_ref(), "the model", "name", (item.span, item.whole))?;
    declare(leaf, auto_names, out, cx)
}

/// Gives a name to the model that comes next.
fn declare(leaf: &Leaf, auto_names: &[String], out: &mut Models, cx: &mut Cx<'_>) -> Option<String> {
    let name = cx.name(leaf, "name")?;
    if auto_names.contains(&name) {
        cx.sink.report(&errors::NAME_TAKEN, leaf.span, &[&name]);
    }
    if ["unknown", "hardwire_extproc", "original_dst"].contains(&name.as_str()) {
        cx.sink.report(&errors::RESERVED_NAME, leaf.span, &["model", &name]);
    }
    if let Some((_, first)) = out.by_name.get(&name) {
        cx.sink.report(&errors::DUPLICATE_NAME, leaf.span, &["model", &name]).related(*first, "first declared here");
    } else {
        out.by_name.insert(name.clone(), (out.models.len(), leaf.span));
    }
    Some(name)
}

fn model(item: &Model, name: Option<String>, cx: &mut Cx<'_>) -> ir::Model {
    let formats = &[("openai", ir::Protocol::Chat), ("anthropic", ir::Protocol::Messages)];
    let protocol = match &item.api_format {
        None => Some(ir::Protocol::Chat),
        Some(leaf) => cx.choice(leaf, "api_format", formats, &[]),
    };
    let shown = name.clone().unwrap_or_else(|| "?".to_owned());
    let backends = backend::all(item, &shown, protocol, cx);
    if item.backend_refs.as_ref().map_or(item.whole, |list| list.written == 0) {
        let at = item.name.as_ref().map_or(item.span, |leaf| leaf.span);
        cx.sink.report(&errors::NO_BACKENDS, at, &[&shown]);
    }
    ir::Model {
        name: name.unwrap_or_default(),
        description: String::new(),
        lora_of: None,
        context_window: None,
        quality: None,
        makes: ir::Makes::Words,
        protocol: protocol.unwrap_or(ir::Protocol::Chat),
        max_output_tokens: DEFAULT_MAX_OUTPUT_TOKENS,
        takes_effort: false,
        takes_thinking: true,
        pricing: item.pricing.as_ref().map(|section| pricing::lower(section, cx)),
        reliability: reliability::lower(item.reliability.as_ref(), protocol, cx),
        backends,
    }
}

fn default_model(providers: Option<&Providers>, models: &Models, cx: &mut Cx<'_>) -> Option<usize> {
    let leaf = providers.and_then(given)?;
    models.named(leaf, "default_model", cx)
}

fn given(providers: &Providers) -> Option<&Leaf> {
    providers.defaults.as_ref()?.default_model.as_ref()
}

/// Descriptions go to the models. The rest is for people, and is checked for what it would mean elsewhere.
fn cards(list: Option<&List<ModelCard>>, auto_names: &[String], models: &mut Models, cx: &mut Cx<'_>) {
    let mut seen: BTreeMap<usize, Span> = BTreeMap::new();
    for card in list.iter().flat_map(|list| &list.items) {
        let leaf = cx.required(card.name.as_ref(), "the model card", "name", (card.span, card.whole));
        let description = cx.fixed_opt(card.description.as_ref(), "description");
        let words = [("ar", ir::Makes::Words), ("diffusion", ir::Makes::Pictures), ("omni", ir::Makes::Both)];
        let makes =
            card.modality.as_ref().and_then(|leaf| Some((leaf.span, cx.choice(leaf, "modality", &words, &[])?)));
        cx.fixed_opt(card.param_size.as_ref(), "param_size");
        let window = card.context_window_size.as_ref();
        let context_window = window.and_then(|leaf| context::tokens(leaf, "context_window_size", cx));
        for (list, key) in [(&card.capabilities, "capabilities"), (&card.tags, "tags")] {
            for leaf in list.iter().flat_map(|list| &list.items) {
                cx.fixed(leaf, key);
            }
        }
        let most = card.max_output_tokens.as_ref();
        let max_output_tokens = most.and_then(|leaf| cx.number(leaf, "max_output_tokens", 1..=MAX_OUTPUT_TOKENS));
        let quality = quality_score(card.quality_score.as_ref(), cx);
        let Some((leaf, index)) = leaf.and_then(|leaf| Some((leaf, models.named(leaf, "name", cx)?))) else { continue };
        if let Some(first) = seen.insert(index, leaf.span) {
            let what = ["model card", leaf.text.as_str()];
            cx.sink.report(&errors::DUPLICATE_NAME, leaf.span, &what).related(first, "first declared here");
        }
        let model = &mut models.models[index];
        model.description = description.unwrap_or_default();
        (model.context_window, model.quality) = (context_window, quality);
        if let Some((at, makes)) = makes {
            if makes != ir::Makes::Words && model.protocol == ir::Protocol::Messages {
                cx.sink.report(&errors::MODALITY_PROTOCOL, at, &[&model.name]);
            }
            model.makes = makes;
        }
        if model.protocol == ir::Protocol::Chat {
            cx.no_effect(most, "max_output_tokens", "without `api_format: anthropic`");
        }
        if let Some(most) = max_output_tokens.and_then(|most| u64::try_from(most).ok()) {
            model.max_output_tokens = most;
        }
        loras(card.loras.as_ref(), index, auto_names, models, cx);
    }
}

/// Each adapter is a model of its own, with all that its base has but the name.
fn loras(list: Option<&List<Lora>>, base: usize, auto_names: &[String], models: &mut Models, cx: &mut Cx<'_>) {
    let base = models.models[base].lora_of.unwrap_or(base);
    for lora in list.iter().flat_map(|list| &list.items) {
        let description = cx.fixed_opt(lora.description.as_ref(), "description").unwrap_or_default();
        let leaf = cx.required(lora.name.as_ref(), "the adapter", "name", (lora.span, lora.whole));
        let Some(name) = leaf.and_then(|leaf| declare(leaf, auto_names, models, cx)) else { continue };
        let base_model = models.models[base].clone();
        models.models.push(ir::Model { name, description, lora_of: Some(base), backends: Vec::new(), ..base_model });
    }
}

/// Host and provider of each backend, as far as they are known at build time.
fn hosts<'m>(item: &'m Model, model: &'m ir::Model) -> impl Iterator<Item = (Option<String>, Option<String>)> + 'm {
    let refs = item.backend_refs.iter().flat_map(|list| &list.items);
    model.backends.iter().zip(refs).map(|(backend, item)| {
        let host = match &backend.endpoint {
            ir::Endpoint::Http { url: ir::Url::Baked { host, .. }, .. } => Some(host.clone()),
            ir::Endpoint::Http { .. } | ir::Endpoint::Echo { .. } => None,
        };
        (host, item.provider.as_ref().map(|leaf| leaf.text.clone()))
    })
}

fn quality_score(leaf: Option<&Leaf>, cx: &mut Cx<'_>) -> Option<f64> {
    let leaf = leaf?;
    let text = cx.fixed(leaf, "quality_score")?;
    let score = text.parse::<f64>().ok().filter(|score| (0.0..=1.0).contains(score));
    if score.is_none() {
        cx.sink.report(&errors::BAD_NUMBER, leaf.span, &["quality_score", "a number from 0 to 1", &text]);
    }
    score
}
