//! `routing`, `recipes` and `entrypoints`: one policy for each set of virtual names.

use super::decisions::{self, Parts, Shared};
use super::models::{MAX_IDS, Models};
use super::{Cx, key_span, modality, roles};
use crate::ast::Document;
use crate::ast::decode::{Leaf, nearest};
use crate::ast::node::{Node, Span};
use crate::ast::recipes::Recipe;
use crate::ir::DEFAULT_POLICY;
use crate::{errors, ir};
use std::collections::BTreeMap;

/// All policies that can be asked for, the top-level one first, and the names that entrypoints give them.
pub(super) fn lower(
    document: &Document,
    root: &Node,
    models: &Models,
    auto_names: &[String],
    cx: &mut Cx<'_>,
) -> (Vec<ir::Policy>, Vec<(String, usize)>) {
    let global = document.global.as_ref();
    let shared = Shared { models, detector: modality::detector(global, cx), identity: roles::identity(global, cx) };
    let recipes = declared(document, cx);
    let (entrypoints, all_sound) = entrypoints(document, &recipes, models, auto_names, cx);

    let default = decisions::lower(&Parts::of_routing(document.routing.as_ref()), &shared, cx);
    if default.decisions.is_empty() && !models.default_given && cx.sink.errors() == 0 {
        let name = auto_names.first().map_or("auto", String::as_str);
        let at = key_span(root, if document.routing.is_some() { "routing" } else { "providers" });
        cx.sink.report(&errors::NOTHING_FOR_AUTO, at, &[name]);
    }
    let mut policies = vec![ir::Policy { name: DEFAULT_POLICY.to_owned(), ..default }];
    // By declared recipe, its policy; `None` where nobody can ask for it.
    let mut ids = vec![Some(0)];
    for (n, Declared { item, name, at }) in recipes.iter().enumerate() {
        let description = cx.fixed_opt(item.description.as_ref(), "description").unwrap_or_default();
        let policy = decisions::lower(&Parts::of_recipe(item.routing.as_ref()), &shared, cx);
        let asked = entrypoints.iter().find(|(_, recipe)| *recipe == n + 1);
        let Some((asked, _)) = asked else {
            if all_sound && !name.is_empty() {
                cx.sink.report(&errors::UNUSED_RECIPE, *at, &[name]);
            }
            ids.push(None);
            continue;
        };
        if policy.decisions.is_empty() && !models.default_given && cx.sink.errors() == 0 {
            cx.sink.report(&errors::NOTHING_FOR_AUTO, *at, &[asked]);
        }
        ids.push(Some(policies.len()));
        policies.push(ir::Policy { name: name.clone(), description, ..policy });
    }
    let mut first_decision = 0;
    for policy in &mut policies {
        policy.first_decision = first_decision;
        first_decision += policy.decisions.len();
    }
    for (what, count, key) in [("decisions", first_decision, "routing"), ("recipes", policies.len(), "recipes")] {
        if count > MAX_IDS {
            cx.sink.report(&errors::TOO_MANY, key_span(root, key), &[what, &count.to_string(), "65535"]);
        }
    }
    let numbered = entrypoints.into_iter().filter_map(|(name, recipe)| Some((name, ids[recipe]?))).collect();
    (policies, numbered)
}

/// A recipe that was written.
struct Declared<'d> {
    item: &'d Recipe,
    /// Empty where it has none that can be used.
    name: String,
    at: Span,
}

fn declared<'d>(document: &'d Document, cx: &mut Cx<'_>) -> Vec<Declared<'d>> {
    let mut first: BTreeMap<String, Span> = BTreeMap::new();
    let mut out = Vec::new();
    for item in document.recipes.iter().flat_map(|list| &list.items) {
        cx.required_part(item.routing.as_ref(), "the recipe", "routing", (item.span, item.whole));
        let leaf = cx.required(item.name.as_ref(), "the recipe", "name", (item.span, item.whole));
        let at = leaf.map_or(item.span, |leaf| leaf.span);
        let mut name = leaf.and_then(|leaf| cx.name(leaf, "name")).unwrap_or_default();
        if name == DEFAULT_POLICY {
            cx.sink.report(&errors::RESERVED_RECIPE, at, &[&name]);
            name.clear();
        } else if let Some(first) = first.get(&name) {
            cx.sink.report(&errors::DUPLICATE_NAME, at, &["recipe", &name]).related(*first, "first declared here");
            name.clear();
        } else if !name.is_empty() {
            first.insert(name.clone(), at);
        }
        out.push(Declared { item, name, at });
    }
    out
}

/// Every name that an entrypoint gives, with 0 for the top-level policy or one more than the index of a recipe, and
/// whether all entrypoints are sound.
fn entrypoints(
    document: &Document,
    recipes: &[Declared<'_>],
    models: &Models,
    auto_names: &[String],
    cx: &mut Cx<'_>,
) -> (Vec<(String, usize)>, bool) {
    let list = document.entrypoints.as_ref();
    let mut sound = document.whole && list.is_none_or(|list| list.items.len() == list.written);
    let mut out = Vec::new();
    let mut first: BTreeMap<String, Span> = BTreeMap::new();
    for item in list.iter().flat_map(|list| &list.items) {
        let at = (item.span, item.whole);
        let leaf = cx.required(item.recipe.as_ref(), "the entrypoint", "recipe", at);
        let recipe = leaf.and_then(|leaf| named(leaf, recipes, cx));
        let names = cx.required_part(item.model_names.as_ref(), "the entrypoint", "model_names", at);
        if let Some(names) = names.filter(|names| names.written == 0) {
            cx.sink.report(&errors::EMPTY_LIST, names.span, &["model_names"]);
        }
        sound &= recipe.is_some() && names.is_some_and(|names| names.items.len() == names.written);
        for leaf in names.iter().flat_map(|names| &names.items) {
            let Some(name) = cx.name(leaf, "model_names") else { continue };
            if auto_names.contains(&name) {
                cx.sink.report(&errors::PUBLIC_NAME_TAKEN, leaf.span, &[&name, "a virtual model"]);
            } else if let Some(model) = models.declared_at(&name) {
                let taken = cx.sink.report(&errors::PUBLIC_NAME_TAKEN, leaf.span, &[&name, "a model"]);
                taken.related(model, "the model");
            } else if let Some(first) = first.insert(name.clone(), leaf.span) {
                let what = ["public name", name.as_str()];
                cx.sink.report(&errors::DUPLICATE_NAME, leaf.span, &what).related(first, "first declared here");
            } else if let Some(recipe) = recipe {
                out.push((name, recipe));
            }
        }
    }
    (out, sound)
}

/// The policy that an entrypoint names.
fn named(leaf: &Leaf, recipes: &[Declared<'_>], cx: &mut Cx<'_>) -> Option<usize> {
    let name = cx.name(leaf, "recipe")?;
    if name == DEFAULT_POLICY {
        return Some(0);
    }
    let found = recipes.iter().position(|recipe| recipe.name == name);
    if found.is_none() && recipes.iter().all(|recipe| !recipe.name.is_empty()) {
        let known = recipes.iter().map(|recipe| recipe.name.as_str()).chain([DEFAULT_POLICY]);
        let help = nearest(&name, known).map(|near| format!("did you mean `{near}`?"));
        cx.sink.report(&errors::UNKNOWN_RECIPE, leaf.span, &[&name]).help(help);
    }
    Some(found? + 1)
}
