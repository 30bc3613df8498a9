//! `routing`: decisions, with their rules and models resolved, and none that could never win.

use super::models::Models;
use super::reach::{self, Candidate, Dead};
use super::signals::{self, Declared, Kind};
use super::{Cx, algorithm, emits, images, json, modality, model_refs, plugins, projections, rules};
use crate::ast::decode::{Leaf, List};
use crate::ast::node::Span;
use crate::ast::recipes;
use crate::ast::routing::{self, Decision, Projections, Signals};
use crate::{errors, ir};
use std::collections::BTreeMap;

/// What a policy is written as: the top-level `routing`, or that of a recipe.
#[derive(Debug, Default)]
pub(super) struct Parts<'d> {
    strategy: Option<&'d Leaf>,
    signals: Option<&'d Signals>,
    projections: Option<&'d Projections>,
    decisions: Option<&'d List<Decision>>,
    /// Whether all of its keys could be read.
    whole: bool,
}

/// What all policies have in common.
#[derive(Debug)]
pub(super) struct Shared<'m> {
    /// The models that decisions name.
    pub(super) models: &'m Models,
    /// What tells modalities apart.
    pub(super) detector: Option<ir::ModalityDetector>,
    /// How a request tells who sends it.
    pub(super) identity: ir::Identity,
}

impl<'d> Parts<'d> {
    /// Of the top-level `routing`.
    pub(super) fn of_routing(section: Option<&'d routing::Routing>) -> Parts<'d> {
        let Some(section) = section else { return Parts { whole: true, ..Parts::default() } };
        let routing::Routing { strategy, signals, projections, decisions, whole, .. } = section;
        Parts::of(strategy, signals, projections, decisions, *whole)
    }

    /// Of the `routing` of a recipe.
    pub(super) fn of_recipe(section: Option<&'d recipes::Routing>) -> Parts<'d> {
        let Some(section) = section else { return Parts::default() };
        let recipes::Routing { strategy, signals, projections, decisions, whole, .. } = section;
        Parts::of(strategy, signals, projections, decisions, *whole)
    }

    fn of(
        strategy: &'d Option<Leaf>,
        signals: &'d Option<Signals>,
        projections: &'d Option<Projections>,
        decisions: &'d Option<List<Decision>>,
        whole: bool,
    ) -> Parts<'d> {
        Parts {
            strategy: strategy.as_ref(),
            signals: signals.as_ref(),
            projections: projections.as_ref(),
            decisions: decisions.as_ref(),
            whole,
        }
    }
}

/// Resolves the signals and decisions of a policy. Its name, and the id of its first decision, are not given here.
pub(super) fn lower(parts: &Parts<'_>, shared: &Shared<'_>, cx: &mut Cx<'_>) -> ir::Policy {
    let strategies = [("priority", ir::Strategy::Priority), ("confidence", ir::Strategy::Confidence)];
    let strategy = parts.strategy.and_then(|leaf| cx.choice(leaf, "strategy", &strategies, &[]));
    let strategy = strategy.unwrap_or(ir::Strategy::Priority);
    let mut declared = signals::declared(parts.signals, cx);
    let mut mappings = projections::lower(parts.projections, &mut declared, cx);
    let mut names: BTreeMap<String, Span> = BTreeMap::new();
    let mut decisions = Vec::new();
    let mut places = Vec::new();
    for item in parts.decisions.iter().flat_map(|list| &list.items) {
        let at = item.name.as_ref().map_or(item.span, |leaf| leaf.span);
        let (decision, sound) = decision(item, &mut names, shared.models, &mut declared, cx);
        places.push((at, sound));
        decisions.push(decision);
    }
    unreachable(&decisions, &places, strategy, &declared, cx);
    let all_sound = parts.whole && places.iter().all(|(_, sound)| *sound);
    declared.use_inputs(&mut mappings);
    let modality = modality::needed(shared.detector.as_ref(), declared.used_at(Kind::Modality), cx);
    let identity = declared.used_at(Kind::Authz).map(|_| shared.identity.clone());
    let (signals, ids) = declared.used(all_sound, cx);
    let mappings = projections::used(mappings, &ids);
    for decision in &mut decisions {
        // A broken rule was reported; then nobody will see this router.
        decision.rule = decision.rule.take().and_then(|rule| renumbered(rule, &ids));
    }
    ir::Policy {
        name: String::new(),
        description: String::new(),
        signals,
        mappings,
        modality,
        identity,
        strategy,
        first_decision: 0,
        decisions,
    }
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
    let (mut plugins, image_gen) = plugins::lower(item.plugins.as_ref(), cx);
    let (mut models, mut reasoning) = model_refs::lower(item.model_refs.as_ref(), named, cx);
    let asks_model = item.plugins.as_ref().is_none_or(|plugins| plugins.items.len() == plugins.written)
        && plugins.fast_response.is_none();
    if asks_model
        && image_gen.is_none()
        && item.model_refs.as_ref().is_none_or(|list| list.written == 0)
        && !named.default_given
    {
        cx.sink.report(&errors::NO_DEFAULT_MODEL, at, &[&name]);
    }
    let mut asked = images::Asked::default();
    if let Some(Some(rule)) = &rule {
        declared.asked_modality(rule, false, &mut asked);
    }
    let all_named =
        item.model_refs.as_ref().is_none_or(|list| list.items.len() == list.written && list.written == models.len());
    let about = images::Decision { name: &name, at, sound: item.whole && asks_model && all_named, asked };
    plugins.images = images::settle(&about, &mut models, &mut reasoning, image_gen, named, cx);
    let algorithm = algorithm::lower(item.algorithm.as_ref(), &models, named, at, cx);
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
            retention: emits::lower(item.emits.as_ref(), cx),
            annotations: item.annotations.as_ref().map(|node| json::render(node, cx.sink)),
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
