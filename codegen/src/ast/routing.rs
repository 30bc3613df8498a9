//! `routing`: which model a request for a virtual name gets.

use super::decode::{Leaf, List, section};
use super::shape::{FLAG, NAME, TEXT, TOKENS, WHOLE, number, words};

section! {
    /// All of it.
    "routing" => pub struct Routing {
        /// How one of several matching decisions wins: `priority` or `confidence`. Default: `priority`.
        strategy: Leaf as words(&["priority", "confidence"]),
        /// What is known about the models.
        model_cards = "modelCards": List<ModelCard>,
        /// What is noticed about a request.
        signals: Signals,
        /// What follows from it.
        decisions: List<Decision>,
    }
}

section! {
    /// What is known about a model.
    "routing.modelCards[]" => pub struct ModelCard {
        /// A name of `providers.models`.
        name: Leaf as NAME.required(),
        /// Told by `/v1/models`.
        description: Leaf,
        /// For people.
        param_size: Leaf,
        /// For people.
        context_window_size: Leaf,
        /// For people.
        capabilities: List<Leaf>,
        /// For people; 0 to 1.
        quality_score: Leaf as number(0.0, 1.0),
        /// `ar`: a language model.
        modality: Leaf as words(&["ar"]),
        /// For people.
        tags: List<Leaf>,
    }
}

section! {
    /// What is noticed about a request.
    "routing.signals" => pub struct Signals {
        /// Words and patterns in what the user wrote last.
        keywords: List<Keyword>,
        /// Bands of estimated prompt length.
        context: List<Context>,
    }
}

section! {
    /// Words and patterns in what the user wrote last.
    "routing.signals.keywords[]" => pub struct Keyword {
        /// Unique among keyword signals.
        name: Leaf as NAME.required(),
        /// For people.
        description: Leaf,
        /// `OR`, `AND` or `NOR`. Default: `OR`.
        operator: Leaf as words(&["OR", "AND", "NOR"]),
        /// Words, or patterns with `method: regex`. At least one.
        keywords: List<Leaf> as NAME.required().some(),
        /// Whether upper and lower case differ. Default: false.
        case_sensitive: Leaf as FLAG,
        /// `regex`: the keywords are regular expressions. Default: they are words.
        method: Leaf as words(&["regex"]),
    }
}

section! {
    /// A band of estimated prompt length in tokens, both ends inclusive.
    "routing.signals.context[]" => pub struct Context {
        /// Unique among context signals.
        name: Leaf as NAME.required(),
        /// For people.
        description: Leaf,
        /// Fewest tokens: `500`, `32K`, `1M`. Default: 0.
        min_tokens: Leaf as TOKENS,
        /// Most tokens. Default: no bound.
        max_tokens: Leaf as TOKENS,
    }
}

section! {
    /// A routing decision.
    "routing.decisions[]" => pub struct Decision {
        /// Unique.
        name: Leaf as NAME.required(),
        /// For people.
        description: Leaf,
        /// Larger wins. Default: 0.
        priority: Leaf as WHOLE,
        /// Smaller wins over priority, where any that matches has one above 0. Default: 0.
        tier: Leaf as number(0.0, 4_294_967_295.0),
        /// When it matches. Default: always.
        rules: Rule,
        /// The models to choose among. Default: the default model.
        model_refs = "modelRefs": List<ModelRef>,
        /// How one is chosen. Default: the first.
        algorithm: Algorithm,
    }
}

section! {
    /// A condition: a signal, or a group of conditions.
    "routing.decisions[].rules" => pub struct Rule {
        /// Of a group: `AND`, `OR` or `NOT`.
        operator: Leaf as words(&["AND", "OR", "NOT"]),
        /// Of a group: its members; `NOT` has one.
        conditions: List<Rule> as TEXT.some(),
        /// Of a signal: `keyword` or `context`.
        kind = "type": Leaf as words(&["keyword", "context"]),
        /// Of a signal: its name.
        name: Leaf,
        /// Of a signal: bounds on what it counted, or else on how sure it is.
        predicate: Predicate,
    }
}

section! {
    /// Bounds on a number. At least one.
    "predicate" => pub struct Predicate {
        /// Greater than this.
        gt: Leaf as number(f64::MIN, f64::MAX),
        /// This or greater.
        gte: Leaf as number(f64::MIN, f64::MAX),
        /// Less than this.
        lt: Leaf as number(f64::MIN, f64::MAX),
        /// This or less.
        lte: Leaf as number(f64::MIN, f64::MAX),
    }
}

section! {
    /// A model that a decision may choose.
    "routing.decisions[].modelRefs[]" => pub struct ModelRef {
        /// A name of `providers.models`.
        model: Leaf as NAME.required(),
        /// `false`.
        use_reasoning: Leaf as FLAG,
        /// Without effect on algorithm `static`.
        weight: Leaf as number(0.0, f64::MAX),
    }
}

section! {
    /// How a decision chooses among its models.
    "routing.decisions[].algorithm" => pub struct Algorithm {
        /// `static`: the first.
        kind = "type": Leaf as words(&["static"]),
    }
}
