//! Routers baked from `configs/` by the compiler itself, for tests and benches: there is no other way to have one.
//!
//! Generated code must compile where every warning is an error; here it does.

#![deny(warnings)]

/// Takes in what `build.rs` wrote for `configs/<name>.yaml`.
macro_rules! baked {
    ($name:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $name, "/router.rs"));
    };
}

/// Several providers, environment references, prices and reliability.
pub mod basic {
    baked!("basic");
}

/// Every shape of rule and of keyword, decided by priority.
pub mod signals {
    baked!("signals");
}

/// Decided by confidence, with a catch-all of the highest priority.
pub mod confidence {
    baked!("confidence");
}

/// Every family of signals beside keywords and context.
pub mod families {
    baked!("families");
}

/// Makers of images.
pub mod images {
    baked!("images");
}

/// Keywords that need not stand in the text as they are.
pub mod methods {
    baked!("methods");
}

/// A hundred keyword rules.
pub mod keywords_100 {
    baked!("keywords_100");
}

/// 500 keywords in 100 rules, 20 expressions, 50 decisions.
pub mod policy {
    baked!("policy");
}

/// Eight models.
pub mod models_8 {
    baked!("models_8");
}

/// Sixty-four models.
pub mod models_64 {
    baked!("models_64");
}

/// Plugins, reasoning families and LoRA adapters.
pub mod plugins {
    baked!("plugins");
}

/// Backends that speak Anthropic's Messages.
pub mod messages {
    baked!("messages");
}

/// Responses in a file.
pub mod store_file {
    baked!("store_file");
}

/// Responses in a Redis cluster.
pub mod store_redis {
    baked!("store_redis");
}

/// Random documents: signals of every family, and rules over them.
pub mod random {
    include!(concat!(env!("OUT_DIR"), "/random.rs"));
}

/// Entrypoints and recipes.
pub mod recipes {
    baked!("recipes");
}

/// Answers itself, and has no default model.
pub mod closed {
    baked!("closed");
}

/// Every algorithm.
pub mod algorithms {
    baked!("algorithms");
}
