//! `global.router`: the virtual names and the list of models.

use super::Cx;
use crate::ast::global::{Global, Router};
use crate::errors;

/// The names that are routed by signals, in the order of `/v1/models`.
pub(super) fn auto_names(global: Option<&Global>, cx: &mut Cx<'_>) -> Vec<String> {
    let router = router(global);
    if let Some(source) = router.and_then(|router| router.config_source.as_ref()) {
        cx.choice(source, "config_source", &[("file", ())], &["kubernetes"]);
    }
    let single = router.and_then(|router| router.auto_model_name.as_ref());
    let Some(list) = router.and_then(|router| router.auto_model_names.as_ref()) else {
        let last = match single {
            None => Some("MoM".to_owned()),
            Some(leaf) => cx.name(leaf, "auto_model_name"),
        };
        let mut names = vec!["vllm-sr/auto".to_owned(), "auto".to_owned()];
        names.extend(last.filter(|last| !names.contains(last)));
        return names;
    };
    cx.no_effect(single, "auto_model_name", "beside `auto_model_names`");
    if list.written == 0 {
        cx.sink.report(&errors::EMPTY_STRING, list.span, &["auto_model_names"]);
    }
    let mut names: Vec<String> = Vec::new();
    for leaf in &list.items {
        let Some(name) = cx.name(leaf, "auto_model_names") else { continue };
        if names.contains(&name) {
            cx.sink.report(&errors::DUPLICATE_NAME, leaf.span, &["virtual model", &name]);
        } else {
            names.push(name);
        }
    }
    names
}

/// Whether `/v1/models` also lists the document's models.
pub(super) fn list_models(global: Option<&Global>, cx: &mut Cx<'_>) -> bool {
    let leaf = router(global).and_then(|router| router.include_config_models_in_list.as_ref());
    cx.flag(leaf, "include_config_models_in_list", false)
}

fn router(global: Option<&Global>) -> Option<&Router> {
    global.and_then(|global| global.router.as_ref())
}
