//! What decisions do to requests: values of `Plugins` and `Reasoning`, with everything that goes into a body as JSON.

use super::tokens::{duration, int, option};
use crate::ir::{
    BodyChange, Generator, HeaderChange, ImageApi, Images, Maker, Plugins, Reasoning, RequestParams, SystemPrompt,
    ToolPolicy,
};
use proc_macro2::{Ident, TokenStream};
use quote::quote;

/// The value of `Decision::plugins`: what is there, on top of nothing.
pub(super) fn plugins(plugins: &Plugins, models: &[Ident]) -> TokenStream {
    let Plugins { fast_response, request_params, tools, system_prompt, headers, images } = plugins;
    let mut fields = TokenStream::new();
    if let Some(message) = fast_response {
        let message = quoted(message);
        fields.extend(quote!(fast_response: Some(#message),));
    }
    if let Some(params) = request_params {
        let params = self::request_params(params);
        fields.extend(quote!(request_params: Some(#params),));
    }
    if let Some(tools) = tools {
        let tools = self::tools(tools);
        fields.extend(quote!(tools: Some(#tools),));
    }
    if let Some(SystemPrompt { replace, text }) = system_prompt {
        let text = quoted(text);
        let text = &text[1..text.len() - 1];
        let prompt = if *replace { quote!(SystemPrompt::Replace(#text)) } else { quote!(SystemPrompt::Insert(#text)) };
        fields.extend(quote!(system_prompt: Some(#prompt),));
    }
    if !headers.is_empty() {
        let headers = headers.iter().map(|change| match change {
            HeaderChange::Add(name, value) => quote!(HeaderChange::Add(#name, #value)),
            HeaderChange::Set(name, value) => quote!(HeaderChange::Set(#name, #value)),
            HeaderChange::Remove(name) => quote!(HeaderChange::Remove(#name)),
        });
        fields.extend(quote!(headers: &[#(#headers),*],));
    }
    if let Some(images) = images {
        let images = self::images(images, models);
        fields.extend(quote!(images: Some(#images),));
    }
    if fields.is_empty() { quote!(Plugins::NONE) } else { quote!(Plugins { #fields ..Plugins::NONE }) }
}

fn images(images: &Images, models: &[Ident]) -> TokenStream {
    let Images { by, always } = images;
    let by = match by {
        Maker::Omni { model, candidate } => {
            let (model, candidate) = (&models[*model], int(*candidate as u64));
            quote!(Maker::Omni { model: #model, candidate: #candidate })
        }
        Maker::Plugin(generator) => {
            let generator = self::generator(generator, models);
            quote!(Maker::Plugin(#generator))
        }
        Maker::Model(generator) => {
            let generator = self::generator(generator, models);
            quote!(Maker::Model(#generator))
        }
    };
    quote!(Images { by: #by, always: #always })
}

fn generator(generator: &Generator, models: &[Ident]) -> TokenStream {
    let Generator { model, backend: _, pricing: _, api, width, height, fields, timeout } = generator;
    let (model, width, height, timeout) = (&models[*model], int(*width), int(*height), duration(*timeout));
    let api = match api {
        ImageApi::VllmOmni => quote!(ImageApi::VllmOmni),
        ImageApi::OpenAi => quote!(ImageApi::OpenAi),
    };
    let fields = fields.iter().map(|(name, json)| quote!((#name, #json)));
    quote! {
        Generator {
            model: #model,
            api: #api,
            width: #width,
            height: #height,
            fields: &[#(#fields),*],
            timeout: #timeout,
        }
    }
}

/// The value of `Decision::reasoning`.
pub(super) fn reasoning(models: &[Option<Reasoning>]) -> TokenStream {
    if models.iter().all(Option::is_none) {
        return quote!(&[]);
    }
    let models = models.iter().map(|reasoning| {
        option(reasoning.as_ref(), |Reasoning { on, family, parameter, effort, changes }| {
            let effort = option(effort.as_ref(), |effort| quote!(#effort));
            let changes = changes.iter().map(|changes| {
                let changes = changes.iter().map(body_change);
                quote!(&[#(#changes),*])
            });
            quote! {
                Reasoning {
                    on: #on,
                    family: #family,
                    parameter: #parameter,
                    effort: #effort,
                    changes: &[#(#changes),*],
                }
            }
        })
    });
    quote!(&[#(#models),*])
}

fn body_change(change: &BodyChange) -> TokenStream {
    match change {
        BodyChange::Remove(key) => quote!(BodyChange::Remove(#key)),
        BodyChange::Set(key, json) => quote!(BodyChange::Set(#key, #json)),
        BodyChange::SetWithin(object, key, json) => quote!(BodyChange::SetWithin(#object, #key, #json)),
        BodyChange::Think(budget) => {
            let budget = option(*budget, int);
            quote!(BodyChange::Think(#budget))
        }
        BodyChange::MoveInto(from, object, key) => quote!(BodyChange::MoveInto(#from, #object, #key)),
    }
}

fn request_params(params: &RequestParams) -> TokenStream {
    let RequestParams { blocked, max_tokens, max_n, strip_unknown } = params;
    let (max_tokens, max_n) = (option(*max_tokens, int), option(*max_n, int));
    quote! {
        RequestParams {
            blocked: &[#(#blocked),*],
            max_tokens: #max_tokens,
            max_n: #max_n,
            strip_unknown: #strip_unknown,
        }
    }
}

fn tools(policy: &ToolPolicy) -> TokenStream {
    match policy {
        ToolPolicy::Remove { history } => quote!(ToolPolicy::Remove { history: #history }),
        ToolPolicy::Filter { allow, block } => {
            quote!(ToolPolicy::Filter { allow: &[#(#allow),*], block: &[#(#block),*] })
        }
    }
}

/// Text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
