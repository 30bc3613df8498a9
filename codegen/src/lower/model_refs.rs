//! `modelRefs`: the models that a decision chooses among, and how each is told to reason.

use super::Cx;
use super::models::Models;
use crate::ast::decode::List;
use crate::ast::routing::ModelRef;
use crate::{errors, ir};

/// The models of a decision, and what each is told; nothing at all where none is told anything.
pub(super) fn lower(
    list: Option<&List<ModelRef>>,
    models: &Models,
    cx: &mut Cx<'_>,
) -> (Vec<usize>, Vec<Option<ir::Reasoning>>) {
    let (mut out, mut reasoning) = (Vec::new(), Vec::new());
    for item in list.iter().flat_map(|list| &list.items) {
        let leaf = cx.required(item.model.as_ref(), "the model reference", "model", (item.span, item.whole));
        let mut model = leaf.and_then(|leaf| models.named(leaf, "model", cx));
        if let (Some(leaf), Some(base)) = (&item.lora_name, model) {
            model = models.lora(base, leaf, cx);
        }
        cx.fixed_opt(item.reasoning_description.as_ref(), "reasoning_description");
        if let Some(leaf) = &item.weight
            && let Some(text) = cx.fixed(leaf, "weight")
        {
            if text.parse::<f64>().is_ok_and(|weight| weight.is_finite() && weight >= 0.0) {
                cx.sink.report(&errors::WEIGHT_UNUSED, leaf.span, &[]);
            } else {
                cx.sink.report(&errors::BAD_NUMBER, leaf.span, &["weight", "a number of at least 0", &text]);
            }
        }
        if let Some(model) = model {
            let (on, effort) = (item.use_reasoning.as_ref(), item.reasoning_effort.as_ref());
            let way = models.families.settle(models.reasoner(model), on, effort, cx);
            // The same model may stand there again, to reason in another way.
            let is_same = out.iter().zip(&reasoning).any(|(other, other_way)| *other == model && *other_way == way);
            if let (true, Some(leaf)) = (is_same, item.lora_name.as_ref().or(leaf)) {
                cx.sink.report(&errors::DUPLICATE_NAME, leaf.span, &["model reference", &leaf.text]);
            }
            reasoning.push(way);
            out.push(model);
        }
    }
    (out, reasoning)
}
