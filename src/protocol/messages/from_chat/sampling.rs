//! Everything that is neither said nor a tool: how long, how random, in which form, for whom.

use crate::protocol::json::Kind;
use crate::protocol::translated::Warnings;
use crate::protocol::view::{Object, Path, RequestError, View};
use crate::protocol::write::Writer;

/// What a model is told that is to answer with any JSON object, since Messages has no field for it.
pub(super) const ANY_OBJECT: &str =
    "Answer with a single valid JSON object. Write nothing before or after it, and no code fence around it.";

/// The form that the answer is to have.
#[derive(Debug)]
pub(super) enum Format<'a> {
    Text,
    AnyObject,
    Schema(View<'a>),
}

impl<'a> Format<'a> {
    /// Reads `response_format`.
    pub(super) fn read(request: &mut Object<'a>) -> Result<Self, RequestError> {
        let root = Path::Root;
        let at = root.key("response_format");
        let Some(view) = request.take("response_format") else { return Ok(Format::Text) };
        let mut format = view.expect_object(&at)?;
        match &*format.take_word("type", &at)? {
            "text" => Ok(Format::Text),
            "json_object" => Ok(Format::AnyObject),
            "json_schema" => {
                let at = at.key("json_schema");
                let named = format.take("json_schema").ok_or_else(|| at.refuse("is required"))?;
                let mut named = named.expect_object(&at)?;
                let at = at.key("schema");
                let schema = named.take("schema").ok_or_else(|| at.refuse("is required"))?;
                schema.expect(Kind::Object, &at)?;
                Ok(Format::Schema(schema))
            }
            _ => Err(at.key("type").refuse("must be text, json_object or json_schema")),
        }
    }

    pub(super) fn wants_any_object(&self) -> bool {
        matches!(self, Format::AnyObject)
    }

    pub(super) fn schema(&self) -> Option<&View<'a>> {
        match self {
            Format::Schema(schema) => Some(schema),
            Format::Text | Format::AnyObject => None,
        }
    }
}

/// `max_completion_tokens`, else `max_tokens`.
pub(super) fn max_tokens(request: &mut Object<'_>) -> Result<Option<u64>, RequestError> {
    let root = Path::Root;
    let (new, old) = (request.take("max_completion_tokens"), request.take("max_tokens"));
    match (new, old) {
        (Some(view), _) => view.expect_count(&root.key("max_completion_tokens")).map(Some),
        (None, Some(view)) => view.expect_count(&root.key("max_tokens")).map(Some),
        (None, None) => Ok(None),
    }
}

/// The rest. A model that thinks takes no temperature.
pub(super) fn write(
    request: &mut Object<'_>,
    thinks: bool,
    w: &mut Writer,
    warnings: &mut Warnings,
) -> Result<(), RequestError> {
    let root = Path::Root;
    if let Some(temperature) = request.take("temperature") {
        let wanted = temperature.expect_number(&root.key("temperature"))?;
        // OpenAI's goes up to 2.
        match (thinks, wanted) {
            (true, 1.0) => {}
            (true, _) => warnings.dropped("temperature"),
            (false, ..=1.0) => {
                w.key("temperature").view(&temperature);
            }
            (false, _) => {
                w.key("temperature").json("1");
                warnings.dropped("temperature");
            }
        }
    }
    if let Some(top_p) = request.take("top_p") {
        let wanted = top_p.expect_number(&root.key("top_p"))?;
        if thinks && wanted < 0.95 {
            warnings.dropped("top_p");
        } else {
            w.key("top_p").view(&top_p);
        }
    }
    // No field of OpenAI's, but widely understood.
    if let Some(top_k) = request.take("top_k") {
        if thinks {
            warnings.dropped("top_k");
        } else {
            w.key("top_k").view(&top_k);
        }
    }
    stop(request, w, warnings)?;
    let (user, safety) = (request.take("user"), request.take("safety_identifier"));
    if let Some((user, name)) =
        user.map(|view| (view, "user")).or_else(|| safety.map(|view| (view, "safety_identifier")))
    {
        let text = user.expect_text(&root.key(name))?;
        w.key("metadata").open_object().key("user_id").text(text.json()).close_object();
    }
    if let Some(tier) = request.take("service_tier") {
        match &*tier.expect_string(&root.key("service_tier"))? {
            "auto" => {
                w.key("service_tier").json("\"auto\"");
            }
            "default" => {
                w.key("service_tier").json("\"standard_only\"");
            }
            _ => warnings.dropped("service_tier"),
        }
    }
    Ok(())
}

fn stop(request: &mut Object<'_>, w: &mut Writer, warnings: &mut Warnings) -> Result<(), RequestError> {
    let root = Path::Root;
    let at = root.key("stop");
    let Some(stop) = request.take("stop") else { return Ok(()) };
    let all = if stop.kind() == Kind::String { vec![stop] } else { stop.expect_array(&at)? };
    let mut sequences = Vec::new();
    for (n, sequence) in all.iter().enumerate() {
        // Anthropic refuses blank ones.
        let text = sequence.expect_text(&at.index(n))?;
        if text.is_blank() {
            warnings.dropped("stop");
        } else {
            sequences.push(text);
        }
    }
    if !sequences.is_empty() {
        w.key("stop_sequences").open_array();
        for sequence in sequences {
            w.text(sequence.json());
        }
        w.close_array();
    }
    Ok(())
}
