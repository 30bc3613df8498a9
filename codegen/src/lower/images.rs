//! Who makes the images of a decision: a model of its `modelRefs`, or its plugin `image_gen`, whose backend becomes one of a
//! model that clients cannot ask for.

use super::models::Models;
use super::{Cx, backend, pricing, reliability, url};
use crate::ast::decode::Leaf;
use crate::ast::node::Span;
use crate::ast::plugins::{ImageBackend, ImageGen};
use crate::{errors, ir};
use std::time::Duration;

/// A plugin that is switched on, and where it stands.
#[derive(Debug)]
pub(super) struct Plugin {
    pub(super) at: Span,
    /// Nothing where it was reported as broken.
    pub(super) generator: Option<ir::Generator>,
}

/// What rules ask for, other than in a `NOT`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    /// A signal of this family is looked at, in whatever way.
    pub(super) modality: bool,
    pub(super) diffusion: bool,
    pub(super) both: bool,
}

/// A decision, as far as it matters here.
#[derive(Debug)]
pub(super) struct Decision<'a> {
    pub(super) name: &'a str,
    pub(super) at: Span,
    /// Whether everything could be read that says who makes images, and a model is asked at all.
    pub(super) sound: bool,
    pub(super) asked: Asked,
}

/// What upstream sends where the document says nothing.
const DEFAULT_STEPS: i64 = 50;
const DEFAULT_CFG_SCALE: &str = "4.0";
const DEFAULT_SIZE: i64 = 1024;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

/// Takes the models that make nothing but images out of those that the decision chooses among, and settles who makes images.
pub(super) fn settle(
    decision: &Decision<'_>,
    models: &mut Vec<usize>,
    reasoning: &mut Vec<Option<ir::Reasoning>>,
    plugin: Option<Plugin>,
    named: &Models,
    cx: &mut Cx<'_>,
) -> Option<ir::Images> {
    let makes = |model: usize| named.models[model].makes;
    let any_written = !models.is_empty();
    let diffusion = models.iter().copied().find(|model| makes(*model) == ir::Makes::Pictures);
    let mut kept = models.iter().map(|model| makes(*model) != ir::Makes::Pictures);
    reasoning.retain(|_| kept.next().unwrap_or(true));
    models.retain(|model| makes(*model) != ir::Makes::Pictures);
    let others: Vec<usize> = if any_written { models.clone() } else { named.default.into_iter().collect() };
    let omni = others.iter().position(|model| makes(*model) == ir::Makes::Both);
    let has_text = models.iter().any(|model| makes(*model) == ir::Makes::Words);
    let has_plugin = plugin.is_some();
    let always = !decision.asked.modality && (has_plugin || (any_written && models.is_empty()));

    let Decision { name, at, sound, asked } = decision;
    if *sound && omni.is_none() {
        let nobody = diffusion.is_none() && !has_plugin;
        if asked.both && (diffusion.is_none() || !has_text) {
            let lacks = match (diffusion.is_none(), has_text) {
                (true, true) => "no model of its makes images",
                (true, false) => "no model of its makes either",
                _ => "no model of its makes text",
            };
            cx.sink.report(&errors::BOTH_NEEDS_BOTH, *at, &[name, lacks]);
        } else if asked.diffusion && nobody {
            cx.sink.report(&errors::NOBODY_MAKES_IMAGES, *at, &[name, "DIFFUSION"]);
        }
    }
    if let (Some(position), Some(plugin)) = (omni, &plugin) {
        let why = format!("`{}` makes the images of the decision itself", named.models[others[position]].name);
        cx.sink.report(&errors::PLUGIN_DOES_NOTHING, plugin.at, &["image_gen", &why]);
    }
    let by = match (omni, plugin, diffusion) {
        (Some(candidate), _, _) => ir::Maker::Omni { model: others[candidate], candidate },
        (None, Some(plugin), _) => ir::Maker::Plugin(plugin.generator?),
        (None, None, Some(model)) => ir::Maker::Model(ir::Generator {
            model,
            backend: None,
            pricing: None,
            api: ir::ImageApi::VllmOmni,
            width: 1024,
            height: 1024,
            fields: Vec::new(),
            timeout: DEFAULT_TIMEOUT,
        }),
        (None, None, None) => return None,
    };
    let is_default = !any_written && matches!(by, ir::Maker::Omni { .. });
    // A default model that happens to be an omni model makes images only where it is asked for them.
    (!is_default || asked.modality).then_some(ir::Images { by, always })
}

/// The plugin `image_gen`. A plugin that is switched off is checked and left out.
pub(super) fn plugin(section: &ImageGen, at: Span, cx: &mut Cx<'_>) -> Option<Plugin> {
    let enabled = cx.flag(section.enabled.as_ref(), "enabled", true);
    let generator = generator(section, cx);
    enabled.then_some(Plugin { at, generator })
}

fn generator(section: &ImageGen, cx: &mut Cx<'_>) -> Option<ir::Generator> {
    let at = (section.span, section.whole);
    let config = cx.required_part(section.backend_config.as_ref(), "the plugin", "backend_config", at);
    let mut pixels = |leaf: Option<&Leaf>, key| {
        let number = leaf.map_or(Some(DEFAULT_SIZE), |leaf| cx.number(leaf, key, 64..=8192));
        number.and_then(|number| u32::try_from(number).ok())
    };
    let width = pixels(section.default_width.as_ref(), "default_width");
    let height = pixels(section.default_height.as_ref(), "default_height");
    let most = section.max_inference_steps.as_ref();
    let most = most.and_then(|leaf| cx.number(leaf, "max_inference_steps", 0..=1000)).filter(|most| *most > 0);
    let timeout = section.timeout_seconds.as_ref();
    let timeout = timeout.and_then(|leaf| cx.number(leaf, "timeout_seconds", 1..=3600));
    let timeout = timeout.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    let apis = [("vllm_omni", ir::ImageApi::VllmOmni), ("openai", ir::ImageApi::OpenAi)];
    let leaf = cx.required(section.backend.as_ref(), "the plugin", "backend", at);
    let api = leaf.and_then(|leaf| cx.choice(leaf, "backend", &apis, &[]));
    if api == Some(ir::ImageApi::OpenAi) {
        cx.no_effect(section.max_inference_steps.as_ref(), "max_inference_steps", "with `backend: openai`");
    }
    let pricing = section.pricing.as_ref().map(|section| pricing::of_images(section, cx));
    let (backend, fields) = backend(config?, api?, most, cx)?;
    Some(ir::Generator {
        model: usize::MAX, // its number is given when all plugins are known
        backend: Some(backend),
        pricing,
        api: api?,
        width: width?,
        height: height?,
        fields,
        timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
    })
}

/// What is sent to it beside the prompt: names and JSON.
type Fields = Vec<(String, String)>;

fn backend(
    config: &ImageBackend,
    api: ir::ImageApi,
    most_steps: Option<i64>,
    cx: &mut Cx<'_>,
) -> Option<(ir::Backend, Fields)> {
    let at = (config.span, config.whole);
    let steps = config.num_inference_steps.as_ref();
    let steps = steps.map_or(Some(DEFAULT_STEPS), |leaf| cx.number(leaf, "num_inference_steps", 1..=1000));
    let scale = config.cfg_scale.as_ref();
    let scale = scale.map(|leaf| cx.decimal(leaf, "cfg_scale", 0.0..=100.0));
    let seed = config.seed.as_ref().and_then(|leaf| cx.number(leaf, "seed", 0..=i64::from(u32::MAX)));
    let quality = config.quality.as_ref().and_then(|leaf| cx.name(leaf, "quality"));
    let style = config.style.as_ref().and_then(|leaf| cx.name(leaf, "style"));
    let model_id = config.model.as_ref().map(|leaf| cx.name(leaf, "model"));
    let key = match (&config.api_key, &config.api_key_env) {
        (Some(key), Some(env)) => {
            let keys = ["api_key", "api_key_env"];
            cx.sink.report(&errors::CONFLICTING_KEYS, env.span, &keys).related(key.span, "`api_key` is here");
            return None;
        }
        (Some(leaf), None) => Some(cx.secret(leaf, "api_key")?),
        (None, Some(leaf)) => Some(backend::key_env(leaf, cx)?),
        (None, None) => None,
    };
    let quoted = |text: String| serde_json::Value::from(text).to_string();
    let mut fields = Fields::new();
    let mut field = |name: &str, value: Option<String>| fields.extend(value.map(|value| (name.to_owned(), value)));
    let (path, model_id) = match api {
        ir::ImageApi::VllmOmni => {
            for (leaf, key) in [(&config.quality, "quality"), (&config.style, "style")] {
                cx.no_effect(leaf.as_ref(), key, "with `backend: vllm_omni`");
            }
            field(
                "num_inference_steps",
                steps.map(|steps| most_steps.map_or(steps, |most| steps.min(most)).to_string()),
            );
            let scale = scale.map_or_else(|| Some(DEFAULT_CFG_SCALE.to_owned()), |scale| Some(format!("{:?}", scale?)));
            field("true_cfg_scale", scale);
            field("seed", seed.map(|seed| seed.to_string()));
            if model_id.is_none() {
                cx.required(None, "the backend", "model", at);
            }
            (url::IMAGE_PATHS[0], model_id??)
        }
        ir::ImageApi::OpenAi => {
            for (leaf, key) in [
                (&config.num_inference_steps, "num_inference_steps"),
                (&config.cfg_scale, "cfg_scale"),
                (&config.seed, "seed"),
            ] {
                cx.no_effect(leaf.as_ref(), key, "with `backend: openai`");
            }
            let model_id = model_id.unwrap_or_else(|| Some("gpt-image-1".to_owned()))?;
            field("quality", quality.map(quoted));
            field("style", style.map(quoted));
            // Its successors answer so anyway, and refuse the field.
            let is_old = model_id.starts_with("dall-e");
            field("response_format", is_old.then(|| quoted("b64_json".to_owned())));
            (url::IMAGE_PATHS[1], model_id)
        }
    };
    let url = match &config.base_url {
        Some(leaf) => url::image(leaf, path, cx)?,
        None if api == ir::ImageApi::OpenAi => ir::Url::Baked {
            tls: true,
            host: "api.openai.com".to_owned(),
            port: 443,
            authority: "api.openai.com".to_owned(),
            path: path.to_owned(),
        },
        None => {
            cx.required(None, "the backend", "base_url", at);
            return None;
        }
    };
    let auth = key.map(|key| ir::Auth { header: "authorization".to_owned(), prefix: "Bearer".to_owned(), key });
    let endpoint = ir::Endpoint::Http { url, headers: Vec::new(), auth };
    Some((ir::Backend { name: String::new(), weight: 1, model_id, endpoint }, fields))
}

/// Gives each plugin a model, and its backend to that.
pub(super) fn number(policies: &mut [ir::Policy], models: &mut Vec<ir::Model>, cx: &mut Cx<'_>) {
    for policy in policies {
        for decision in &mut policy.decisions {
            let Some(ir::Images { by: ir::Maker::Plugin(generator), .. }) = &mut decision.plugins.images else {
                continue;
            };
            let Some(backend) = generator.backend.take() else { continue };
            let of = if policy.name == ir::DEFAULT_POLICY { String::new() } else { format!("{}/", policy.name) };
            // Names of models of the document are not looked at: whoever calls one so gets two lines in the metrics.
            let name = format!("image_gen:{of}{}", decision.name);
            generator.model = models.len();
            models.push(ir::Model {
                description: String::new(),
                lora_of: None,
                context_window: None,
                quality: None,
                makes: ir::Makes::Plugin,
                protocol: ir::Protocol::Chat,
                max_output_tokens: 1,
                takes_effort: false,
                takes_thinking: true,
                pricing: generator.pricing.take(),
                reliability: reliability::lower(None, Some(ir::Protocol::Chat), cx),
                backends: vec![ir::Backend { name: name.clone(), ..backend }],
                name,
            });
        }
    }
}
