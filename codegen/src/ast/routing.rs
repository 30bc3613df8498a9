//! `routing`: which model a request for a virtual name gets.

use super::decode::{Leaf, List, section};
use super::node::Node;
use super::plugins::Plugin;
use super::providers::EFFORTS;
use super::shape::{FLAG, NAME, PRICE, TEXT, TOKENS, WHOLE, number, whole, words};

section! {
    /// All of it.
    "routing" => pub struct Routing {
        /// How one of several matching decisions wins: `priority` or `confidence`. Default: `priority`.
        strategy: Leaf as words(&["priority", "confidence"]),
        /// What is known about the models.
        model_cards = "modelCards": List<ModelCard>,
        /// What is noticed about a request.
        signals: Signals,
        /// What is computed from that.
        projections: Projections,
        /// What follows from it.
        decisions: List<Decision>,
    }
}

/// No model says more at once.
pub(crate) const MAX_OUTPUT_TOKENS: i64 = 10_000_000;

section! {
    /// What is known about a model.
    "routing.modelCards[]" => pub struct ModelCard {
        /// A name of `providers.models`.
        name: Leaf as NAME.required(),
        /// Told by `/v1/models`.
        description: Leaf,
        /// For people.
        param_size: Leaf,
        /// Most tokens that a request and its answer may have. For algorithm `cost`.
        context_window_size: Leaf as TOKENS,
        /// Most tokens of an answer where the client does not say, for `api_format: anthropic`. Default: 4096.
        max_output_tokens: Leaf as whole(1, MAX_OUTPUT_TOKENS),
        /// For people.
        capabilities: List<Leaf>,
        /// 0 to 1. For algorithm `multi_factor`.
        quality_score: Leaf as number(0.0, 1.0),
        /// What it makes: `ar` text, `diffusion` images, `omni` both. Default: `ar`.
        modality: Leaf as words(&["ar", "diffusion", "omni"]),
        /// For people.
        tags: List<Leaf>,
        /// LoRA adapters that its backends have loaded.
        loras: List<Lora>,
    }
}

section! {
    /// A LoRA adapter of a model: a model of its own, served by the backends of its base.
    "routing.modelCards[].loras[]" => pub struct Lora {
        /// What clients and backends call it. Unique among models.
        name: Leaf as NAME.required(),
        /// Told by `/v1/models`.
        description: Leaf,
    }
}

section! {
    /// What is noticed about a request.
    "routing.signals" => pub struct Signals {
        /// Words and patterns in what the user wrote last.
        keywords: List<Keyword>,
        /// Bands of estimated prompt length.
        context: List<Context>,
        /// What can be counted in what the user wrote last.
        structure: List<Structure>,
        /// What can be counted in the conversation.
        conversation: List<Conversation>,
        /// Conditions on the client's metadata.
        metadata: List<Metadata>,
        /// Who has which role.
        role_bindings: List<RoleBinding>,
        /// Signs of events in what the user wrote last.
        events: List<Event>,
        /// What kind of answer the user asks for.
        modality: List<Modality>,
        /// Which language the user writes in.
        language: List<Language>,
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
        /// `regex`: the keywords are regular expressions. `fuzzy`, `bm25`, `ngram`: they are words that need not stand in
        /// the text as they are. Default: they are words.
        method: Leaf as words(&["regex", "fuzzy", "bm25", "ngram"]),
        /// The same as `method: fuzzy`. Default: false.
        fuzzy_match: Leaf as FLAG,
        /// Of `fuzzy`: how many letters may differ. Default: 2.
        fuzzy_threshold: Leaf as WHOLE,
        /// Of `bm25`: the least score. Default: 0.1.
        bm25_threshold: Leaf as number(0.0, f64::MAX),
        /// Of `ngram`: the least similarity. Default: 0.4.
        ngram_threshold: Leaf as number(0.0, 1.0),
        /// Of `ngram`: how many letters go together. Default: 3.
        ngram_arity: Leaf as whole(2, 8),
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
    /// What can be counted in what the user wrote last.
    "routing.signals.structure[]" => pub struct Structure {
        /// Unique among structure signals.
        name: Leaf as NAME.required(),
        /// For people.
        description: Leaf,
        /// What is counted.
        feature: StructureFeature as TEXT.required(),
        /// How it compares. Default: there is any.
        predicate: Predicate,
    }
}

section! {
    /// What is counted.
    "routing.signals.structure[].feature" => pub struct StructureFeature {
        /// `count`, `exists`, `density` (count by word) or `sequence`.
        kind = "type": Leaf as words(&["count", "exists", "density", "sequence"]).required(),
        /// Where.
        source: StructureSource as TEXT.required(),
    }
}

section! {
    /// What is looked for in the text.
    "routing.signals.structure[].feature.source" => pub struct StructureSource {
        /// `regex`, `keyword_set`, `sequence` or `text_bytes`.
        kind = "type": Leaf as words(&["regex", "keyword_set", "sequence", "text_bytes"]).required(),
        /// Of `regex`: the expression.
        pattern: Leaf,
        /// Of `keyword_set`: words.
        keywords: List<Leaf>,
        /// Of `sequence`: texts that stand in this order, several times.
        sequences: List<List<Leaf>>,
        /// Whether upper and lower case differ. Default: false.
        case_sensitive: Leaf as FLAG,
    }
}

section! {
    /// What can be counted in the conversation.
    "routing.signals.conversation[]" => pub struct Conversation {
        /// Unique among conversation signals.
        name: Leaf as NAME.required(),
        /// For people.
        description: Leaf,
        /// What is counted.
        feature: ConversationFeature as TEXT.required(),
        /// How it compares. Default: of `exists`, that it does; of `count`, anyhow.
        predicate: Predicate,
    }
}

section! {
    /// What is counted.
    "routing.signals.conversation[].feature" => pub struct ConversationFeature {
        /// `count` or `exists`.
        kind = "type": Leaf as words(&["count", "exists"]).required(),
        /// Of what.
        source: ConversationSource as TEXT.required(),
    }
}

section! {
    /// Parts of the conversation.
    "routing.signals.conversation[].feature.source" => pub struct ConversationSource {
        /// Which.
        kind = "type": Leaf as words(&[
            "message",
            "tool_definition",
            "assistant_tool_call",
            "assistant_tool_cycle",
            "active_tool_loop",
            "image_content",
            "tool_choice_required",
            "tool_choice_none",
            "flow_tool_state",
        ])
        .required(),
        /// Of `message`: whose. Default: anybody's.
        role: Leaf as words(&["user", "assistant", "system", "developer", "tool", "non_user"]),
    }
}

section! {
    /// A condition on the client's metadata. Untrusted: whoever asks may write anything there.
    "routing.signals.metadata[]" => pub struct Metadata {
        /// Unique among metadata signals.
        name: Leaf as NAME.required(),
        /// For people.
        description: Leaf,
        /// Key of the entry.
        key: Leaf as NAME.required(),
        /// The condition.
        predicate: MetadataPredicate as TEXT.required(),
    }
}

section! {
    /// What is asked of an entry: exactly one of these.
    "routing.signals.metadata[].predicate" => pub struct MetadataPredicate {
        /// It is this.
        equals: Leaf,
        /// It is one of these.
        one_of = "in": List<Leaf>,
        /// It is there, or not.
        exists: Leaf as FLAG,
    }
}

section! {
    /// Who has a role. Several bindings may give the same.
    "routing.signals.role_bindings[]" => pub struct RoleBinding {
        /// Unique among bindings.
        name: Leaf as NAME.required(),
        /// For people.
        description: Leaf,
        /// The role, by which conditions of `type: authz` name it.
        role: Leaf as NAME.required(),
        /// Who has it.
        subjects: List<Subject> as TEXT.required().some(),
    }
}

section! {
    /// A user or a group.
    "routing.signals.role_bindings[].subjects[]" => pub struct Subject {
        /// `User` or `Group`.
        kind: Leaf as NAME.required(),
        /// As the identity header tells it.
        name: Leaf as NAME.required(),
    }
}

section! {
    /// Signs of an event in what the user wrote last: one of its criteria at least is met.
    "routing.signals.events[]" => pub struct Event {
        /// Unique among event signals.
        name: Leaf as NAME.required(),
        /// For people.
        description: Leaf,
        /// Words, one of which names the event.
        event_types: List<Leaf> as NAME,
        /// `critical`, `high`, `medium` or `low`, one of which stands there.
        severities: List<Leaf> as NAME,
        /// Words, one of which is its code.
        action_codes: List<Leaf> as NAME,
        /// Whether a word of urgency is a criterion. Default: false.
        temporal: Leaf as FLAG,
    }
}

section! {
    /// What kind of answer the user asks for.
    "routing.signals.modality[]" => pub struct Modality {
        /// `AR`, `DIFFUSION` or `BOTH`.
        name: Leaf as words(&["AR", "DIFFUSION", "BOTH"]).required(),
        /// For people.
        description: Leaf,
    }
}

section! {
    /// Which language the user writes in.
    "routing.signals.language[]" => pub struct Language {
        /// Its two-letter code of ISO 639-1.
        name: Leaf as NAME.required(),
        /// For people.
        description: Leaf,
        /// How sure the detector must be. Default: 0.3.
        threshold: Leaf as number(0.0, 1.0),
    }
}

section! {
    /// What is computed from signals.
    "routing.projections" => pub struct Projections {
        /// Numbers.
        scores: List<Score>,
        /// Bands of numbers, which conditions name as they name signals.
        mappings: List<Mapping>,
    }
}

section! {
    /// A number that is computed from signals.
    "routing.projections.scores[]" => pub struct Score {
        /// Unique among scores.
        name: Leaf as NAME.required(),
        /// `weighted_sum`.
        method: Leaf as words(&["weighted_sum"]).required(),
        /// What is added up.
        inputs: List<Input> as TEXT.required().some(),
    }
}

section! {
    /// A signal's part in a score.
    "routing.projections.scores[].inputs[]" => pub struct Input {
        /// Family of the signal; `projection`: another score, or an output of a mapping.
        kind = "type": Leaf as NAME.required(),
        /// The signal.
        name: Leaf as NAME.required(),
        /// What its value is multiplied with.
        weight: Leaf as number(f64::MIN, f64::MAX).required(),
        /// `binary`, `confidence` or `raw`; of a projection `score` or `confidence`. Default: the first of them.
        value_source: Leaf as words(&["binary", "confidence", "raw", "score"]),
        /// Of `binary`: its value where it matches. Default: 1.
        hit = "match": Leaf as number(f64::MIN, f64::MAX),
        /// Of `binary`: its value where it does not. Default: 0.
        miss: Leaf as number(f64::MIN, f64::MAX),
    }
}

section! {
    /// Bands of a score.
    "routing.projections.mappings[]" => pub struct Mapping {
        /// For people.
        name: Leaf as NAME.required(),
        /// A score.
        source: Leaf as NAME.required(),
        /// `threshold_bands` or `multi_emit`.
        method: Leaf as words(&["threshold_bands", "multi_emit"]).required(),
        /// How sure the outputs are.
        calibration: Calibration,
        /// The bands.
        outputs: List<Output> as TEXT.required().some(),
    }
}

section! {
    /// How sure the outputs of a mapping are.
    "routing.projections.mappings[].calibration" => pub struct Calibration {
        /// `sigmoid_distance`.
        method: Leaf as words(&["sigmoid_distance"]),
        /// How steeply it rises with the distance from the nearest bound. Default: 12.
        slope: Leaf as number(0.0, f64::MAX),
    }
}

section! {
    /// A band of a score: all of its bounds hold.
    "routing.projections.mappings[].outputs[]" => pub struct Output {
        /// Unique among all outputs.
        name: Leaf as NAME.required(),
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
        /// What is done to the request.
        plugins: List<Plugin>,
        /// What the client is told beside the answer.
        emits: List<Emit>,
        /// Of any kind, for people and tools.
        annotations: Node as TEXT,
    }
}

section! {
    /// What the client is told beside the answer, in headers.
    "routing.decisions[].emits[]" => pub struct Emit {
        /// `retention`.
        kind: Leaf as words(&["retention"]).required(),
        /// Of `retention`: what.
        retention: Retention as TEXT.required(),
    }
}

section! {
    /// What whoever keeps something of the conversation should do with it. Every key that is there is told.
    "routing.decisions[].emits[].retention" => pub struct Retention {
        /// Nothing of this turn should be kept.
        drop: Leaf as FLAG,
        /// For how many turns it should be kept.
        ttl_turns: Leaf as whole(0, 4_294_967_295),
        /// The next turn should go to the same model.
        keep_current_model: Leaf as FLAG,
        /// The beginning of the prompt should stay in the caches of the backend.
        prefer_prefix_retention: Leaf as FLAG,
    }
}

section! {
    /// A condition: a signal, or a group of conditions.
    "routing.decisions[].rules" => pub struct Rule {
        /// Of a group: `AND`, `OR` or `NOT`.
        operator: Leaf as words(&["AND", "OR", "NOT"]),
        /// Of a group: its members; `NOT` has one.
        conditions: List<Rule> as TEXT.some(),
        /// Of a signal: its family.
        kind = "type": Leaf as words(&[
            "keyword",
            "context",
            "structure",
            "conversation",
            "metadata",
            "authz",
            "event",
            "modality",
            "language",
            "projection",
        ]),
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
        /// A name of `providers.models`, or of a LoRA adapter.
        model: Leaf as NAME.required(),
        /// Whether it is told to reason. Default: false.
        use_reasoning: Leaf as FLAG,
        /// How much. Default: what `default_reasoning_effort` says.
        reasoning_effort: Leaf as words(EFFORTS),
        /// For people.
        reasoning_description: Leaf,
        /// An adapter of the model, which is asked for in its place.
        lora_name: Leaf as NAME,
        /// Without effect: no algorithm looks at it.
        weight: Leaf as number(0.0, f64::MAX),
    }
}

section! {
    /// How a decision chooses among its models.
    "routing.decisions[].algorithm" => pub struct Algorithm {
        /// `static`: the first. `cost`: the cheapest whose context window holds the request. `latency_aware`: the fastest.
        /// `multi_factor`: the best by quality, latency, cost and load. Default: `static`.
        kind = "type": Leaf as words(&["static", "cost", "latency_aware", "multi_factor"]),
        /// For `latency_aware`.
        latency_aware: LatencyAware,
        /// For `multi_factor`.
        multi_factor: MultiFactor,
    }
}

section! {
    /// Which latencies count. At least one.
    "routing.decisions[].algorithm.latency_aware" => pub struct LatencyAware {
        /// Percentile of the time for a token.
        tpot_percentile: Leaf as whole(1, 100),
        /// Percentile of the time to the first byte.
        ttft_percentile: Leaf as whole(1, 100),
    }
}

section! {
    /// How models are compared by several factors.
    "routing.decisions[].algorithm.multi_factor" => pub struct MultiFactor {
        /// Whether factors are weighed against each other or looked at one by one.
        objective: Objective,
        /// How much each factor counts where they are weighed.
        weights: Weights,
        /// What no chosen model may exceed.
        slo: Ceilings,
        /// Which time is the latency: `tpot`, for a token, or `ttft`, to the first byte. Default: `tpot` where it was
        /// measured, else `ttft`.
        latency_metric: Leaf as words(&["tpot", "ttft"]),
        /// Percentile of latencies. Default: 95.
        latency_percentile: Leaf as whole(1, 100),
        /// What happens where all exceed it: `cheapest`, `first` or `fail`. Default: `cheapest`.
        on_no_candidates: Leaf as words(&["cheapest", "first", "fail"]),
    }
}

section! {
    /// What makes a model the best one.
    "routing.decisions[].algorithm.multi_factor.objective" => pub struct Objective {
        /// `weighted`: the sum of all factors. `lexicographic`: one factor after the other. Default: `weighted`.
        strategy: Leaf as words(&["weighted", "lexicographic"]),
        /// The order of factors, for `lexicographic`.
        priorities: List<Priority> as TEXT.some(),
    }
}

section! {
    /// A factor in an order of factors.
    "routing.decisions[].algorithm.multi_factor.objective.priorities[]" => pub struct Priority {
        /// `quality`, `latency`, `cost` or `load`; each once.
        factor: Leaf as words(&["quality", "latency", "cost", "load"]).required(),
        /// How far from the best model another may be to be compared by the next factor, as a share of the best one's value.
        /// Default: 0.
        tolerance: Leaf as number(0.0, 1.0),
    }
}

section! {
    /// How much each factor counts.
    "routing.decisions[].algorithm.multi_factor.weights" => pub struct Weights {
        /// Of `quality_score`. Default: 0.25.
        quality: Leaf as number(0.0, f64::MAX),
        /// Of latency. Default: 0.25.
        latency: Leaf as number(0.0, f64::MAX),
        /// Of the price of prompt tokens. Default: 0.25.
        cost: Leaf as number(0.0, f64::MAX),
        /// Of requests under way. Default: 0.25.
        load: Leaf as number(0.0, f64::MAX),
    }
}

section! {
    /// What no chosen model may exceed. What was not measured yet does not.
    "routing.decisions[].algorithm.multi_factor.slo" => pub struct Ceilings {
        /// Time for a token in milliseconds, at `latency_percentile`.
        max_tpot_ms: Leaf as number(0.0, f64::MAX),
        /// Time to the first byte in milliseconds, at `latency_percentile`.
        max_ttft_ms: Leaf as number(0.0, f64::MAX),
        /// Price of a million prompt tokens.
        max_cost_per_1m: Leaf as PRICE,
        /// Requests under way.
        max_inflight: Leaf as whole(1, 4_294_967_295),
    }
}
