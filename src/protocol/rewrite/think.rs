//! Has the model of a Messages request think, where the rest of the request allows that: Anthropic refuses the others.

use crate::protocol::draft::Draft;
use crate::protocol::json::Kind;
use crate::protocol::splice::Chunks;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Fewer tokens than this are no budget to Anthropic, and a budget is always below the bound on the whole answer.
const LEAST_BUDGET: u64 = 1024;

/// With this budget of tokens at most, or as much as the model sees fit. Not while it is made to call a tool, nor where the
/// answer has no room for it, nor in the middle of calls that began without.
pub(super) fn think(draft: &mut Draft, body: &Chunks, budget: Option<u64>) {
    let thinking = match budget {
        None => "{\"type\":\"adaptive\"}".to_owned(),
        Some(budget) => {
            // As all readers of numbers do: any spelling counts, and one beyond all bounds is the largest.
            let most = number(draft, body, "max_tokens").map_or(0, |most| most as u64);
            if most <= LEAST_BUDGET || calls_without_thinking(draft, body) {
                return;
            }
            // Half of the tokens at least are left for the answer.
            format!("{{\"type\":\"enabled\",\"budget_tokens\":{}}}", budget.min(most / 2).max(LEAST_BUDGET))
        }
    };
    if is_made_to_call(draft, body) {
        return;
    }
    draft.set(body, "thinking", thinking.into());
    draft.remove_key(body, "temperature");
    draft.remove_key(body, "top_k");
    if number(draft, body, "top_p").is_none_or(|top_p| top_p < 0.95) {
        draft.remove_key(body, "top_p");
    }
}

fn number(draft: &Draft, body: &Chunks, key: &str) -> Option<f64> {
    let (_, item) = draft.find(body, key)?;
    serde_json::from_slice(&body.range(item.value.start..item.value.end)).ok()
}

#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

/// A block, or a choice of tools.
#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
}

/// Whether `tool_choice` lets the model do nothing but call a tool.
fn is_made_to_call(draft: &Draft, body: &Chunks) -> bool {
    let Some((_, choice)) = draft.find(body, "tool_choice").filter(|(_, choice)| choice.value.kind == Kind::Object)
    else {
        return false;
    };
    let raw = body.range(choice.value.start..choice.value.end);
    serde_json::from_slice::<Typed<'_>>(&raw).is_ok_and(|choice| matches!(&*choice.r#type, "any" | "tool"))
}

/// Whether the model has called tools since the user last spoke, and did not think before: what follows is the same turn to
/// Anthropic, which must begin with a thought.
fn calls_without_thinking(draft: &Draft, body: &Chunks) -> bool {
    let Some((_, messages)) = draft.find(body, "messages") else { return false };
    let raw = body.range(messages.value.start..messages.value.end);
    let Ok(turns) = serde_json::from_slice::<Vec<Turn<'_>>>(&raw) else { return false };
    for turn in turns.iter().rev() {
        let blocks = turn.content.and_then(|content| serde_json::from_str::<Vec<Typed<'_>>>(content.get()).ok());
        let blocks = blocks.unwrap_or_default();
        let has = |kind: &str| blocks.iter().any(|block| block.r#type == kind);
        let thought = blocks.first().is_some_and(|first| matches!(&*first.r#type, "thinking" | "redacted_thinking"));
        match &*turn.role {
            "assistant" if has("tool_use") && !thought => return true,
            "assistant" => {}
            _ if has("tool_result") && blocks.iter().all(|block| block.r#type == "tool_result") => {}
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use crate::protocol::rewrite::tests::check;
    use crate::table::BodyChange;

    const BUDGET: &[BodyChange] = &[BodyChange::Think(Some(8192))];
    const FREELY: &[BodyChange] = &[BodyChange::Think(None)];

    #[test]
    fn half_of_the_answer_is_left() {
        let thinking = |budget: u64| format!(r#""thinking":{{"type":"enabled","budget_tokens":{budget}}}"#);
        check(
            r#"{"model":"m","max_tokens":64000,"temperature":0.5,"top_k":3,"top_p":0.9}"#,
            BUDGET,
            &format!(r#"{{"model":"x","max_tokens":64000,{}}}"#, thinking(8192)),
        );
        check(
            r#"{"model":"m","max_tokens":4096,"thinking":{"type":"disabled"},"top_p":0.99}"#,
            BUDGET,
            &format!(r#"{{"model":"x","max_tokens":4096,{},"top_p":0.99}}"#, thinking(2048)),
        );
        check(
            r#"{"model":"m","max_tokens":1025,"tool_choice":{"type":"auto"}}"#,
            BUDGET,
            &format!(r#"{{"model":"x","max_tokens":1025,"tool_choice":{{"type":"auto"}},{}}}"#, thinking(1024)),
        );
        check(
            r#"{"model":"m","max_tokens":1e4}"#,
            BUDGET,
            &format!(r#"{{"model":"x","max_tokens":1e4,{}}}"#, thinking(5000)),
        );
        check(
            r#"{"model":"m","max_tokens":1e300}"#,
            &[BodyChange::Think(Some(u64::MAX))],
            &format!(r#"{{"model":"x","max_tokens":1e300,{}}}"#, thinking(u64::MAX / 2)),
        );
    }

    #[test]
    fn a_model_that_cannot_think_is_not_told_to() {
        for (document, changes) in [
            (r#"{"model":"x","max_tokens":1024,"temperature":0.5}"#, BUDGET),
            (r#"{"model":"x","temperature":0.5}"#, BUDGET),
            (r#"{"model":"x","max_tokens":"5000"}"#, BUDGET),
            (r#"{"model":"x","max_tokens":5000,"tool_choice":{"type":"any"}}"#, BUDGET),
            (r#"{"model":"x","max_tokens":5000,"tool_choice":{"type":"tool","name":"t"},"temperature":0}"#, FREELY),
        ] {
            check(document, changes, document);
        }
        check(
            r#"{"model":"m","temperature":0.5,"tool_choice":{"type":"none"}}"#,
            FREELY,
            r#"{"model":"x","tool_choice":{"type":"none"},"thinking":{"type":"adaptive"}}"#,
        );
    }

    #[test]
    fn it_does_not_begin_to_think_between_its_calls() {
        const CALL: &str = r#"{"role":"assistant","content":[{"type":"text"},{"type":"tool_use"}]}"#;
        const THOUGHT: &str = r#"{"role":"assistant","content":[{"type":"thinking"},{"type":"tool_use"}]}"#;
        const RESULT: &str = r#"{"role":"user","content":[{"type":"tool_result"}]}"#;
        const SPOKEN: &str = r#"{"role":"user","content":[{"type":"tool_result"},{"type":"text"}]}"#;
        const SAID: &str = r#"{"role":"user","content":"hi"}"#;
        for (messages, thinks) in [
            (vec![SAID], true),
            (vec![SAID, CALL, RESULT], false),
            (vec![SAID, THOUGHT, RESULT], true),
            (vec![SAID, CALL, RESULT, THOUGHT, RESULT], false),
            (vec![SAID, CALL, RESULT, SAID], true),
            (vec![SAID, CALL, SPOKEN], true),
            (vec![r#"{"role":"assistant","content":"well"}"#], true),
        ] {
            let document =
                |name: &str| format!(r#"{{"max_tokens":5000,"messages":[{}],"model":"{name}""#, messages.join(","));
            let told = if thinks { r#","thinking":{"type":"enabled","budget_tokens":2500}}"# } else { "}" };
            let before = format!("{}}}", document("m"));
            check(before.leak(), BUDGET, &format!("{}{told}", document("x")));
        }
    }
}
