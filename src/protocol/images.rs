//! What makers of images are asked, and what they answer: vLLM Omni's Chat with an `extra_body`, and OpenAI's images API.
//!
//! An answer of the first is a chat completion with images in it, and is read as one.

use super::answer::{Answer, Part, Text};
use super::error_body;
use super::event::Usage;
use super::out::JsonText;
use super::responses::image_tool::ImageTool;
use super::splice::Chunks;
use super::translated::Warnings;
use super::view::View;
use super::write::Writer;
use crate::table::{Generator, ImageApi};
use bytes::Bytes;
use http::StatusCode;
use std::ops::Range;

/// The request for an image, and where the model's name stands in it. What the backend is not told is named in `warnings`.
#[must_use]
pub fn request(
    generator: &Generator,
    prompt: &str,
    tool: &ImageTool,
    warnings: Option<&mut Warnings>,
) -> (Chunks, Range<usize>) {
    const MODEL: Range<usize> = 9..11; // `{"model":""`
    let (width, height) = tool.size.unwrap_or((generator.width, generator.height));
    let mut w = Writer::default();
    w.open_object().key("model").json("\"\"");
    match generator.api {
        ImageApi::VllmOmni => {
            w.key("messages").open_array().open_object().key("role").json("\"user\"").key("content").string(prompt);
            w.close_object().close_array().key("extra_body").open_object();
            w.key("width").number(width.into()).key("height").number(height.into());
            generator.fields.iter().for_each(|&(name, json)| {
                w.key(name).json(json);
            });
            w.close_object();
            if let Some(warnings) = warnings {
                tool.fields.iter().for_each(|(name, _)| warnings.dropped(&format!("tools.image_generation.{name}")));
            }
        }
        ImageApi::OpenAi => {
            w.key("prompt").string(prompt).key("n").number(1);
            w.key("size").string(&format!("{width}x{height}"));
            let asked = |name: &str| tool.fields.iter().any(|(asked, _)| *asked == name);
            for &(name, json) in generator.fields.iter().filter(|(name, _)| !asked(name)) {
                w.key(name).json(json);
            }
            for (name, json) in &tool.fields {
                w.key(name).made(json.clone());
            }
        }
    }
    w.close_object();
    (w.finish(), MODEL)
}

/// Reads an answer of OpenAI's images API.
#[must_use]
pub fn answer(body: &Bytes) -> Answer {
    let Ok(object) = View::of(body) else { return failed(body) };
    let mut object = object.members();
    let Some(data) = object.take("data") else { return failed(body) };
    let format = object.take("output_format").and_then(|format| format.string());
    let begin = match format.as_deref() {
        Some("jpeg") => "data:image/jpeg;base64,",
        Some("webp") => "data:image/webp;base64,",
        _ => "data:image/png;base64,",
    };
    let mut out = Answer::default();
    for image in data.elements() {
        let mut image = image.members();
        if let Some(base64) = image.take("b64_json").and_then(|view| view.text()) {
            out.parts.push(Part::Image(JsonText::raw(begin.as_bytes()).into(), base64.json().into()));
        } else if let Some(url) = image.take("url").and_then(|view| view.text()) {
            out.parts.push(Part::Image(Text::default(), url.json().into()));
        }
    }
    if let Some(usage) = object.take("usage") {
        let mut usage = usage.members();
        let mut count = |key| usage.take(key).and_then(|view| view.raw().parse().ok());
        out.usage = Usage { input: count("input_tokens"), output: count("output_tokens"), ..Usage::default() };
    }
    out
}

fn failed(body: &Bytes) -> Answer {
    Answer { failure: Some(error_body::read(StatusCode::OK, body)), ..Answer::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::stream::Context;
    use crate::table::ModelId;
    use std::time::Duration;

    const TIMEOUT: Duration = Duration::from_secs(1);

    #[track_caller]
    fn check(api: ImageApi, fields: &'static [(&'static str, &'static str)], expected: &str, dropped: &str) {
        let generator = Generator { model: ModelId(0), api, width: 512, height: 256, fields, timeout: TIMEOUT };
        let tool = ImageTool { fields: vec![("quality", Bytes::from_static(b"\"low\""))], ..ImageTool::default() };
        let mut warnings = Warnings::default();
        let (body, name) = request(&generator, "a \"cat\"", &tool, Some(&mut warnings));
        assert_eq!(String::from_utf8_lossy(&body.to_bytes()), expected);
        assert_eq!(*body.range(name), *b"\"\"");
        assert_eq!(warnings.to_header(), dropped);
    }

    #[test]
    fn requests() {
        check(
            ImageApi::VllmOmni,
            &[("seed", "7"), ("true_cfg_scale", "4.0")],
            r#"{"model":"","messages":[{"role":"user","content":"a \"cat\""}],"extra_body":{"width":512,"height":256,"seed":7,"true_cfg_scale":4.0}}"#,
            "tools.image_generation.quality",
        );
        check(
            ImageApi::OpenAi,
            &[("quality", "\"high\""), ("style", "\"vivid\"")],
            r#"{"model":"","prompt":"a \"cat\"","n":1,"size":"512x256","style":"vivid","quality":"low"}"#,
            "",
        );
    }

    #[test]
    fn answers() {
        let body = Bytes::from_static(
            br#"{"created":1,"output_format":"webp","data":[{"b64_json":"QUJD"}],"usage":{"input_tokens":3,"output_tokens":5}}"#,
        );
        let read = answer(&body);
        assert_eq!((read.usage.input, read.usage.output), (Some(3), Some(5)));
        let context = Context { model: "m".into(), id: "c".into(), created: 1, include_usage: false };
        let written = crate::protocol::chat::answer::write(&read, &context).to_bytes();
        let shown = r#""content":[{"type":"image_url","image_url":{"url":"data:image/webp;base64,QUJD"}}]"#;
        assert!(String::from_utf8_lossy(&written).contains(shown));
        let refused = answer(&Bytes::from_static(br#"{"error":{"message":"no such model"}}"#));
        assert_eq!(refused.failure.unwrap().message, "no such model");
    }
}
