//! `routing`: decisions, with their rules and models resolved, and none that could never win.

use super::models::{MAX_IDS, Models};
use super::reach::{self, Candidate, Dead};
use super::signals::{self, Declared, Kind};
use super::{Cx, algorithm, modality, model_refs, plugins, projections, roles, rules};
use crate::ast::Document;
use crate::ast::node::Span;
use crate::ast::routing::Decision;
use crate::{errors, ir};
use std::collections::BTreeMap;

/// What `routing` comes to.
#[derive(Debug)]
pub(super) struct Routing {
    /// Used signals.
    pub(super) signals: Vec<ir::Signal>,
    /// Used mappings.
    pub(super) mappings: Vec<ir::Mapping>,
    /// What tells modalities apart, if a decision asks for one.
    pub(super) modality: Option<ir::ModalityDetector>,
    /// How a request tells who sends it, if a decision asks for a role.
    pub(super) identity: Option<ir::Identity>,
    /// How one of several matching decisions wins.
    pub(super) strategy: ir::Strategy,
    /// In the order of the document.
    pub(super) decisions: Vec<ir::Decision>,
}

/// Resolves signals and decisions.
pub(super) fn lower(document: &Document, models: &Models, cx: &mut Cx<'_>) -> Routing {
    let section = document.routing.as_ref();
    let strategies = [("priority", ir::Strategy::Priority), ("confidence", ir::Strategy::Confidence)];
    let strategy = section.and_then(|s| s.strategy.as_ref());
    let strategy = strategy.and_then(|leaf| cx.choice(leaf, "strategy", &strategies, &[]));
    let strategy = strategy.unwrap_or(ir::Strategy::Priority);
    let mut declared = signals::declared(section.and_then(|s| s.signals.as_ref()), cx);
    let mappings = projections::lower(section.and_then(|s| s.projections.as_ref()), &mut declared, cx);
    let mut names: BTreeMap<String, Span> = BTreeMap::new();
    let mut decisions = Vec::new();
    let mut places = Vec::new();
    let list = section.and_then(|s| s.decisions.as_ref());
    for item in list.iter().flat_map(|list| &list.items) {
        let at = item.name.as_ref().map_or(item.span, |leaf| leaf.span);
        let (decision, sound) = decision(item, &mut names, models, &mut declared, cx);
        places.push((at, sound));
        decisions.push(decision);
    }
    if decisions.len() > MAX_IDS
        && let Some(list) = list
    {
        cx.sink.report(&errors::TOO_MANY, list.span, &["decisions", &decisions.len().to_string(), "65535"]);
    }
    unreachable(&decisions, &places, strategy, &declared, cx);
    let all_sound = section.is_none_or(|s| s.whole) && places.iter().all(|(_, sound)| *sound);
    declared.use_inputs(&mappings);
    let modality = modality::detector(document.global.as_ref(), declared.used_at(Kind::Modality), cx);
    let identity = roles::identity(document.global.as_ref(), cx);
    let identity = declared.used_at(Kind::Authz).map(|_| identity);
    let (signals, ids) = declared.used(all_sound, cx);
    let mappings = projections::used(mappings, &ids);
    for decision in &mut decisions {
        // A broken rule was reported; then nobody will see this router.
        decision.rule = decision.rule.take().and_then(|rule| renumbered(rule, &ids));
    }
    Routing { signals, mappings, modality, identity, strategy, decisions }
}

/// A decision, its rule over declared signals, and whether that rule is sound.
fn decision(
    item: &Decision,
    names: &mut BTreeMap<String, Span>,
    named: &Models,
    declared: &mut Declared,
    cx: &mut Cx<'_>,
) -> (ir::Decision, bool) {
    let leaf = cx.required(item.name.as_ref(), "the decision", "name", (item.span, item.whole));
    let name = leaf.and_then(|leaf| Some((leaf.span, cx.name(leaf, "name")?)));
    if let Some((at, name)) = &name
        && let Some(first) = names.insert(name.clone(), *at)
    {
        cx.sink.report(&errors::DUPLICATE_NAME, *at, &["decision", name]).related(first, "first declared here");
    }
    let name = name.map(|(_, name)| name).unwrap_or_default();
    let description = cx.fixed_opt(item.description.as_ref(), "description").unwrap_or_default();
    let priority = item.priority.as_ref().map_or(Some(0), |leaf| cx.number(leaf, "priority", i64::MIN..=i64::MAX));
    let tier = item.tier.as_ref().map_or(Some(0), |leaf| cx.number(leaf, "tier", 0..=u32::MAX.into()));
    let rule = item.rules.as_ref().map(|rule| rules::lower(rule, declared, cx));
    let at = item.name.as_ref().map_or(item.span, |leaf| leaf.span);
    let (models, reasoning) = model_refs::lower(item.model_refs.as_ref(), &name, at, named, cx);
    let algorithm = algorithm::lower(item.algorithm.as_ref(), &models, named, at, cx);
    let plugins = plugins::lower(item.plugins.as_ref(), cx);
    let sound = item.whole && !matches!(rule, Some(None)) && priority.is_some() && tier.is_some();
    let tier = u32::try_from(tier.unwrap_or(0)).expect("the range was checked");
    let rule = rule.flatten();
    (
        ir::Decision {
            name,
            description,
            priority: priority.unwrap_or(0),
            tier,
            rule,
            models,
            reasoning,
            algorithm,
            plugins,
        },
        sound,
    )
}

fn unreachable(
    decisions: &[ir::Decision],
    places: &[(Span, bool)],
    strategy: ir::Strategy,
    declared: &Declared,
    cx: &mut Cx<'_>,
) {
    let candidates = decisions.iter().zip(places).enumerate().filter(|(_, (_, (_, sound)))| *sound);
    let candidates = candidates.map(|(index, (decision, _))| Candidate {
        index,
        name: &decision.name,
        priority: decision.priority,
        tier: decision.tier,
        rule: decision.rule.as_ref(),
    });
    for (index, dead) in reach::dead(&candidates.collect::<Vec<_>>(), strategy, &declared.known()) {
        let (name, at) = (decisions[index].name.as_str(), places[index].0);
        match dead {
            Dead::Contradiction => {
                cx.sink.report(&errors::NEVER_MATCHES, at, &[name]);
            }
            Dead::Behind(first) => {
                let help = match (&decisions[first].rule, strategy) {
                    _ if decisions[first].tier != decisions[index].tier => {
                        "the smaller `tier` wins: give this one a smaller one, or narrow the rules of the other"
                    }
                    (None, _) => "a decision without rules always matches: give it the lowest `priority`",
                    (_, ir::Strategy::Priority) => {
                        "give this one a higher `priority`, or narrow the rules of the other"
                    }
                    (_, ir::Strategy::Confidence) => "give this one a higher `priority`: both have full confidence",
                };
                let winner = decisions[first].name.as_str();
                cx.sink
                    .report(&errors::UNREACHABLE_DECISION, at, &[name, winner, help])
                    .related(places[first].0, "this one wins");
            }
        }
    }
}

fn renumbered(rule: ir::Rule, ids: &[Option<usize>]) -> Option<ir::Rule> {
    let all = |rules: Vec<ir::Rule>| rules.into_iter().map(|rule| renumbered(rule, ids)).collect::<Option<Vec<_>>>();
    Some(match rule {
        ir::Rule::Signal(index) => ir::Rule::Signal(ids[index]?),
        ir::Rule::Compare { signal, predicate } => ir::Rule::Compare { signal: ids[signal]?, predicate },
        ir::Rule::All(rules) => ir::Rule::All(all(rules)?),
        ir::Rule::Any(rules) => ir::Rule::Any(all(rules)?),
        ir::Rule::Not(rule) => ir::Rule::Not(Box::new(renumbered(*rule, ids)?)),
    })
}
