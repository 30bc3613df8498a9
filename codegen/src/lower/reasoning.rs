//! How models are told to reason: `reasoning_families` and what they mean for each backend of a model.
//!
//! Providers say it differently, and take it amiss where they are told in another's words. Who a backend is follows from
//! the host of its address; where that comes from the environment, from its `provider`.

use super::Cx;
use crate::ast::decode::Leaf;
use crate::ast::node::Span;
use crate::ast::providers::{Defaults, EFFORTS, Family};
use crate::{errors, ir};
use std::collections::BTreeMap;

const KWARGS: &str = "chat_template_kwargs";
const EFFORT: &str = "reasoning_effort";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// A switch for the chat template.
    Switch,
    /// A word, in the chat template or beside the messages.
    Effort,
    /// A word beside the messages, whoever the backend is.
    TopLevelEffort,
}

/// All families of a document.
#[derive(Debug, Default)]
pub(super) struct Families {
    by_name: BTreeMap<String, Entry>,
    default_effort: Option<String>,
    /// Whether a model names a family that is not there. Which one was meant, nobody knows.
    some_unknown: bool,
}

#[derive(Debug)]
struct Entry {
    how: How,
    parameter: String,
    at: Span,
    used: bool,
    /// Whether it could be read. Who names a broken one is not to blame.
    sound: bool,
}

/// The family of a model, and who its backends are.
#[derive(Debug, Clone)]
pub(super) struct Reasoner {
    /// Messages has a way of its own: there is none where the model names none.
    family: Option<String>,
    dialects: Vec<Dialect>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// Takes whatever the chat template of the model takes.
    Template,
    /// Takes `reasoning_effort`, and refuses what it does not know.
    OpenAi,
    /// Takes `thinking`.
    DeepSeek,
    /// Takes `thinking` with a budget, or `output_config.effort`: Anthropic's protocol.
    Messages,
}

impl Families {
    /// `think` tells whether some model speaks Messages: these take an effort in every family.
    pub(super) fn of(defaults: Option<&Defaults>, think: bool, cx: &mut Cx<'_>) -> Families {
        let mut out = Families::default();
        let Some(defaults) = defaults else { return out };
        for (key, family) in defaults.reasoning_families.iter().flat_map(|dict| &dict.entries) {
            let entry = entry(family, key.span, cx);
            out.by_name.insert(key.text.clone(), entry);
        }
        let words: Vec<(&str, &str)> = EFFORTS.iter().map(|word| (*word, *word)).collect();
        let leaf = defaults.default_reasoning_effort.as_ref();
        let effort = leaf.and_then(|leaf| cx.choice(leaf, "default_reasoning_effort", &words, &[]));
        out.default_effort = effort.map(str::to_owned);
        if let Some(leaf) = leaf
            && defaults.whole
            && !think
            && out.by_name.values().all(|entry| entry.sound && entry.how == How::Switch)
        {
            let why = "no reasoning family takes an effort";
            cx.sink.report(&errors::REASONING_UNUSED, leaf.span, &["default_reasoning_effort", why]);
        }
        out
    }

    /// Whether the models of a family take an effort in words.
    pub(super) fn takes_effort(&self, reasoner: &Reasoner) -> bool {
        let entry = reasoner.family.as_ref().and_then(|family| self.by_name.get(family));
        entry.is_some_and(|entry| entry.how != How::Switch)
    }

    /// The family that a model names.
    pub(super) fn reasoner(
        &mut self,
        leaf: Option<&Leaf>,
        messages: bool,
        hosts: impl Iterator<Item = (Option<String>, Option<String>)>,
        cx: &mut Cx<'_>,
    ) -> Option<Reasoner> {
        let dialects = hosts.map(|(host, provider)| match messages {
            true => Dialect::Messages,
            false => dialect(host.as_deref(), provider.as_deref()),
        });
        let dialects = dialects.collect();
        let Some(leaf) = leaf else { return messages.then_some(Reasoner { family: None, dialects }) };
        let family = cx.name(leaf, "reasoning_family")?;
        let Some(entry) = self.by_name.get_mut(&family) else {
            let near = crate::ast::decode::nearest(&family, self.by_name.keys().map(String::as_str));
            let help = near.map(|near| format!("did you mean `{near}`?"));
            cx.sink.report(&errors::UNKNOWN_FAMILY, leaf.span, &[&family]).help(help);
            self.some_unknown = true;
            return None;
        };
        entry.used = true;
        Some(Reasoner { family: Some(family), dialects })
    }

    /// Tells families that no model has.
    pub(super) fn tell_unused(&self, cx: &mut Cx<'_>) {
        for (name, entry) in &self.by_name {
            if !entry.used && !self.some_unknown {
                cx.sink.report(&errors::REASONING_UNUSED, entry.at, &[name, "no model has this reasoning family"]);
            }
        }
    }

    /// What an entry of `modelRefs` says about reasoning. A model without a family gets its requests as they are.
    pub(super) fn settle(
        &self,
        reasoner: Option<&Reasoner>,
        use_reasoning: Option<&Leaf>,
        effort: Option<&Leaf>,
        cx: &mut Cx<'_>,
    ) -> Option<ir::Reasoning> {
        let on = cx.flag(use_reasoning, "use_reasoning", false);
        let words: Vec<(&str, &str)> = EFFORTS.iter().map(|word| (*word, *word)).collect();
        let chosen = effort.and_then(|leaf| cx.choice(leaf, "reasoning_effort", &words, &[]));
        // Nothing at all is said of reasoning: that is for the client to say.
        if reasoner.is_some_and(|reasoner| reasoner.family.is_none()) && use_reasoning.is_none() && effort.is_none() {
            return None;
        }
        let how = |reasoner: &Reasoner| match &reasoner.family {
            None => Some(&BUDGET),
            Some(family) => self.by_name.get(family),
        };
        let Some((reasoner, entry)) = reasoner.and_then(|reasoner| Some((reasoner, how(reasoner)?))) else {
            let told = if on { use_reasoning.map(|leaf| (leaf, "use_reasoning")) } else { None };
            let told = told.into_iter().chain(effort.map(|leaf| (leaf, "reasoning_effort")));
            for (leaf, key) in told.filter(|_| !self.some_unknown) {
                let why = "the model has no `reasoning_family`";
                cx.sink.report(&errors::REASONING_UNUSED, leaf.span, &[key, why]);
            }
            return None;
        };
        if let Some(leaf) = effort {
            let why = if !on {
                "`use_reasoning` is not set"
            } else if entry.how == How::Switch && !reasoner.dialects.contains(&Dialect::Messages) {
                "its reasoning family is switched on and off"
            } else {
                ""
            };
            if !why.is_empty() {
                cx.sink.report(&errors::REASONING_UNUSED, leaf.span, &["reasoning_effort", why]);
            }
        }
        let effort = chosen.or(self.default_effort.as_deref()).unwrap_or("medium");
        let changes = reasoner.dialects.iter().map(|dialect| changes(entry, *dialect, on, effort)).collect();
        let takes_effort = entry.how != How::Switch || reasoner.dialects.contains(&Dialect::Messages);
        let told = (on && takes_effort).then(|| effort.to_owned());
        // A model that speaks Messages needs none.
        let family = reasoner.family.clone().unwrap_or_else(|| "none".to_owned());
        let parameter = if entry.parameter.is_empty() { "thinking".to_owned() } else { entry.parameter.clone() };
        Some(ir::Reasoning { on, family, parameter, effort: told, changes })
    }
}

/// The way of a model that speaks Messages and has no family.
static BUDGET: Entry =
    Entry { how: How::Switch, parameter: String::new(), at: Span { start: 0, end: 0 }, used: true, sound: true };

fn entry(family: &Family, at: Span, cx: &mut Cx<'_>) -> Entry {
    let words = [
        ("chat_template_kwargs", How::Switch),
        ("reasoning_effort", How::Effort),
        ("top_level_reasoning_effort", How::TopLevelEffort),
    ];
    let leaf = cx.required(family.kind.as_ref(), "the reasoning family", "type", (family.span, family.whole));
    let how = leaf.and_then(|leaf| cx.choice(leaf, "type", &words, &["reasoning_mode"]));
    let named = family.parameter.as_ref().map(|leaf| cx.name(leaf, "parameter"));
    let parameter = match named {
        // Its older name.
        Some(Some(name)) if name == "reasoning.effort" && how != Some(How::Switch) => Some(EFFORT.to_owned()),
        Some(name) => name,
        None if how == Some(How::Switch) => {
            cx.required(None, "the reasoning family", "parameter", (family.span, family.whole));
            None
        }
        None => Some(EFFORT.to_owned()),
    };
    let sound = how.is_some() && parameter.is_some();
    Entry { how: how.unwrap_or(How::Switch), parameter: parameter.unwrap_or_default(), at, used: false, sound }
}

/// Whether a backend can be told what its model thought in earlier turns. Those that models are served with oneself take it,
/// and so do aggregators; some providers refuse a message that has its thinking with it, or their models never hand out any.
pub(super) fn takes_thinking(host: Option<&str>, provider: Option<&str>) -> bool {
    const REFUSE: [&str; 4] = ["api.groq.com", "api.mistral.ai", "api.openai.com", "openai.azure.com"];
    match host {
        Some(host) => !REFUSE.iter().any(|domain| within(host, domain)),
        None => !matches!(provider, Some("openai" | "azure-openai")),
    }
}

fn within(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn dialect(host: Option<&str>, provider: Option<&str>) -> Dialect {
    match (host, provider) {
        (Some("api.deepseek.com"), _) => Dialect::DeepSeek,
        (Some(host), _) if host == "api.openai.com" || host == "openrouter.ai" || within(host, "openai.azure.com") => {
            Dialect::OpenAi
        }
        (None, Some("openai" | "azure-openai")) => Dialect::OpenAi,
        _ => Dialect::Template,
    }
}

fn changes(entry: &Entry, dialect: Dialect, on: bool, effort: &str) -> Vec<ir::BodyChange> {
    let parameter = || entry.parameter.clone();
    let quoted = || format!("\"{effort}\"");
    // The client does not know who answers: what it asked for is not passed on beside what is said here.
    let strip = ir::BodyChange::Remove(EFFORT.to_owned());
    match (entry.how, dialect, on) {
        (how, Dialect::Messages, _) => messages(how, on, effort),
        (_, Dialect::DeepSeek, _) => {
            let kind = if on { "enabled" } else { "disabled" };
            vec![strip, ir::BodyChange::Set("thinking".to_owned(), format!("{{\"type\":\"{kind}\"}}"))]
        }
        (How::Switch, ..) => {
            vec![strip, ir::BodyChange::SetWithin(KWARGS.to_owned(), parameter(), on.to_string())]
        }
        (How::Effort, Dialect::Template, true) => {
            vec![strip, ir::BodyChange::SetWithin(KWARGS.to_owned(), parameter(), quoted())]
        }
        // Such models always reason; how much is then for the client to say.
        (How::Effort, Dialect::Template, false) => {
            vec![ir::BodyChange::MoveInto(EFFORT.to_owned(), KWARGS.to_owned(), parameter())]
        }
        (How::Effort, Dialect::OpenAi, true) | (How::TopLevelEffort, _, true) if entry.parameter == EFFORT => {
            vec![ir::BodyChange::Set(parameter(), quoted())]
        }
        (How::Effort, Dialect::OpenAi, true) | (How::TopLevelEffort, _, true) => {
            vec![strip, ir::BodyChange::Set(parameter(), quoted())]
        }
        (How::Effort, Dialect::OpenAi, false) | (How::TopLevelEffort, _, false) => Vec::new(),
    }
}

/// Anthropic's protocol. Where the model takes an effort in words, it thinks as much as that says; else it gets a budget. A
/// client's `reasoning_effort` comes to the same.
fn messages(how: How, on: bool, effort: &str) -> Vec<ir::BodyChange> {
    let budget = match effort {
        _ if !on => None,
        "none" => None,
        "minimal" => Some(1024),
        "low" => Some(2048),
        "medium" => Some(8192),
        "high" => Some(16_384),
        "xhigh" => Some(32_768),
        _ => Some(65_536),
    };
    let change = match (how, budget) {
        (How::Switch, None) => ir::BodyChange::Remove("thinking".to_owned()),
        (How::Switch, budget) => ir::BodyChange::Think(budget),
        (How::Effort | How::TopLevelEffort, None) if on => ir::BodyChange::Remove("thinking".to_owned()),
        // How much is for the client to say.
        (How::Effort | How::TopLevelEffort, None) => return Vec::new(),
        (How::Effort | How::TopLevelEffort, Some(_)) => {
            let effort = if effort == "minimal" { "low" } else { effort };
            let effort =
                ir::BodyChange::SetWithin("output_config".to_owned(), "effort".to_owned(), format!("\"{effort}\""));
            return vec![ir::BodyChange::Think(None), effort];
        }
    };
    vec![change]
}

#[cfg(test)]
mod tests {
    use super::takes_thinking;

    #[test]
    fn who_is_told_what_was_thought() {
        for (host, provider, expected) in [
            (Some("api.groq.com"), None, false),
            (Some("x.openai.azure.com"), Some("azure-openai"), false),
            (Some("notapi.openai.com"), None, true),
            (Some("vllm.internal"), Some("openai"), true),
            (Some("openrouter.ai"), None, true),
            (None, Some("openai"), false),
            (None, Some("azure-openai"), false),
            (None, Some("vllm"), true),
            (None, None, true),
        ] {
            assert_eq!(takes_thinking(host, provider), expected, "{host:?} {provider:?}");
        }
    }
}
