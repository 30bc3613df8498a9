//! The table of everything that can be wrong with a document: one entry per mistake, with its wording.
//!
//! `{0}`, `{1}`, … stand for the arguments that the place of the mistake gives. A label stands beside the caret, a help
//! line below; either may be empty here and be filled in there. Knows nothing of how they are found or shown.

/// Whether a mistake stops the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It does.
    Error,
    /// It is told, and the build goes on.
    Warning,
}

/// One kind of mistake.
#[derive(Debug)]
pub struct Named {
    /// Stable name, in JSON and of the golden file that shows it.
    pub kind: &'static str,
    /// Whether it stops the build.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: &'static str,
    /// What the caret points at.
    pub label: &'static str,
    /// What to do about it.
    pub help: &'static str,
}

macro_rules! errors {
    ($($name:ident = $severity:ident $kind:literal, $message:literal, $label:literal, $help:literal;)*) => {
        $(
            #[doc = concat!("`", $kind, "`: ", $message)]
            pub const $name: Named = Named {
                kind: $kind,
                severity: Severity::$severity,
                message: $message,
                label: $label,
                help: $help,
            };
        )*

        /// Every kind there is.
        pub const ALL: &[&Named] = &[$(&$name),*];
    };
}

errors! {
    // The document as such.
    YAML_SYNTAX = Error "yaml-syntax",
        "{0}", "", "";
    DUPLICATE_KEY = Error "duplicate-key",
        "`{0}` stands twice in one mapping", "second time", "keep one of the two";
    UNKNOWN_KEY = Error "unknown-key",
        "unknown key `{0}`", "not a key of {1}", "";
    UNSUPPORTED_KEY = Error "unsupported-key",
        "`{0}` is not supported by this version", "in {1}", "remove it: a key that did nothing would be worse than none";
    REMOVED_KEY = Error "removed-key",
        "`{0}` is no longer a key of {1}", "removed", "use {2}";
    MISPLACED_KEY = Error "misplaced-key",
        "`{0}` is no key of {1}", "the models are the same for all policies", "move it to {2}";
    IGNORED_KEY = Warning "ignored-key",
        "`{0}` is ignored", "has no meaning in a baked router", "";
    UNSUPPORTED_DECLARATION = Warning "unsupported-declaration",
        "`{0}` is not supported by this version", "left out of the router", "{1}; a decision that relied on it would be an error";
    SWITCHED_OFF = Warning "switched-off",
        "`{0}` is not supported by this version", "switched off, so nothing is missing", "{1}";
    WRONG_TYPE = Error "wrong-type",
        "{0} must be {1}", "found {2}", "";
    EMPTY_VALUE = Error "empty-value",
        "`{0}` has no value", "nothing follows", "give it a value, or remove the key to get its default";
    MISSING_KEY = Error "missing-key",
        "{0} has no `{1}`", "`{1}` is missing here", "";
    UNKNOWN_VALUE = Error "unknown-value",
        "`{1}` is not a value of `{0}`", "", "";
    UNSUPPORTED_VALUE = Error "unsupported-value",
        "`{0}: {1}` is not supported by this version", "", "";
    KEY_WITHOUT_EFFECT = Error "key-without-effect",
        "`{0}` has no effect {1}", "does nothing here", "remove it";
    CONFLICTING_KEYS = Error "conflicting-keys",
        "`{0}` and `{1}` exclude each other", "", "keep one of the two";
    TOO_MANY = Error "too-many",
        "too many {0}: {1}", "", "at most {2} are possible";

    // Environment references and secrets.
    FIXED_AT_BUILD_TIME = Error "fixed-at-build-time",
        "`{0}` is fixed when the binary is built", "names an environment variable, which is read at start-up",
        "write the value itself; a dollar sign of its own is written `$$`";
    BAD_ENV_REFERENCE = Error "bad-env-reference",
        "{0}", "", "write `${NAME}`, `${NAME:-default}`, or `$$` for a dollar sign of its own";
    BAD_ENV_NAME = Error "bad-env-name",
        "`{0}` is not the name of an environment variable", "letters, digits and underscores, not beginning with a digit",
        "write the variable's name, not its value and without `$`";
    LITERAL_SECRET = Error "literal-secret",
        "the value of `{0}` would be readable in the binary", "a literal secret",
        "write `${NAME}` and set NAME when the router starts";
    SECRET_DEFAULT = Error "secret-default",
        "`{0}` is a secret and cannot have a default", "`{1}` has one",
        "write `${{1}}`: start-up then stops with a clear line where it is not set";

    // Scalars.
    EMPTY_STRING = Error "empty-string",
        "`{0}` must not be empty", "", "";
    BAD_NAME = Error "bad-name",
        "`{0}` has white space around it or control characters in it", "cannot go into a header or a log as it is", "";
    BAD_NUMBER = Error "bad-number",
        "`{0}` must be {1}", "found `{2}`", "";
    BAD_FLAG = Error "bad-flag",
        "`{0}` must be `true` or `false`", "found `{1}`", "";
    BAD_DURATION = Error "bad-duration",
        "`{0}` is not a duration", "found `{1}`", "write a number with its unit, as in `300s`, `1m30s`, `500ms` or `2h`";
    BAD_SIZE = Error "bad-size",
        "`{0}` is not a size", "found `{1}`", "write bytes, or a number with its unit, as in `32MiB` or `10MB`";
    BAD_TOKEN_COUNT = Error "bad-token-count",
        "`{0}` is not a number of tokens", "found `{1}`", "write a whole number, or one in thousands or millions: `8000`, `32K`, `1M`";
    BAD_PRICE = Error "bad-price",
        "`{0}` is not a price", "found `{1}`", "write a plain decimal number that is not negative, as in `0.18`";
    PRICE_TOO_FINE = Error "price-too-fine",
        "`{0}` has more than six decimals", "cannot be kept exactly",
        "prices are kept in whole pico-units per token, which is six decimals per million tokens";
    BAD_CURRENCY = Error "bad-currency",
        "`{0}` is not a currency code", "", "write the three capital letters of ISO 4217, as in `USD`";

    // Listeners and limits.
    MESSAGE_TOO_SMALL = Error "message-too-small",
        "messages of `{0}` do not hold a body of {1} bytes", "smaller than `max_body_bytes`",
        "Envoy sends a body in one message: leave the key out, or make `max_body_bytes` smaller, too";
    BAD_ADDRESS = Error "bad-address",
        "`{0}` is not an IP address", "", "write `0.0.0.0` or `[::]` for all interfaces, `127.0.0.1` for this machine alone";
    ADDRESS_TAKEN = Error "address-taken",
        "two listeners on {0}", "second listener", "give it another port";

    KEYS_FOR_ANYBODY = Warning "keys-for-anybody",
        "who reaches {0} is told the keys of backends, such as that of `{1}`", "the service for Envoy, for whoever connects",
        "listen on `127.0.0.1`, or give `tls.client_ca_file`: only Envoy has a certificate of that authority";

    STORE_KEY_UNUSED = Warning "store-key-unused",
        "`{0}` has no effect with `store_backend: {1}`", "belongs to another store", "";

    // Models and backends.
    DUPLICATE_NAME = Error "duplicate-name",
        "{0} `{1}` is declared twice", "second declaration", "names are unique: rename or remove one of the two";
    NAME_TAKEN = Error "name-taken",
        "model `{0}` has the name of a virtual model", "taken", "requests for `{0}` are routed by signals; rename the model, or set `global.router.auto_model_names`";
    TIMEOUT_NEVER_REACHED = Warning "timeout-never-reached",
        "`{0}` is never reached", "each listener gives a request up after {1} at most", "make it shorter, or the listener's `timeout` longer";
    KEY_IN_THE_CLEAR = Warning "key-in-the-clear",
        "a key is sent to `{0}` without TLS", "`http`", "write `https`: whoever is on the way can read the key";
    NO_BASE_PATH = Warning "no-base-path",
        "`{0}` has its endpoints under `/v1`", "requests would go to `{1}`", "write `https://{0}/v1`";
    RESERVED_NAME = Error "reserved-name",
        "a {0} cannot be called `{1}`", "reserved", "metrics or Envoy mean something else by that name: rename it";
    NO_MODELS = Error "no-models",
        "there are no models", "", "declare at least one in `providers.models`";
    NO_BACKENDS = Error "no-backends",
        "model `{0}` has no backend", "served by nobody", "add an entry to its `backend_refs`; `- provider: echo` answers without a network";
    UNKNOWN_MODEL = Error "unknown-model",
        "there is no model `{0}`", "not in `providers.models`", "";
    NO_ADDRESS = Error "no-address",
        "the backend has neither `endpoint` nor `base_url`", "goes nowhere",
        "write `endpoint: host:port`, or `base_url: https://host/path`";
    NEEDS_BASE_URL = Error "needs-base-url",
        "`provider: {0}` needs a `base_url`", "has no default address", "as in `base_url: {1}`";
    PROVIDER_PROTOCOL = Error "provider-protocol",
        "`provider: {0}` does not speak the protocol of its model", "`{1}` says otherwise", "";
    BAD_URL = Error "bad-url",
        "`{0}` is not an address that can be used", "{1}", "";
    PROTOCOL_CONFLICT = Error "protocol-conflict",
        "`protocol: {0}` contradicts the address", "", "the scheme of the address decides: remove `protocol`";
    NEEDS_API_VERSION = Error "needs-api-version",
        "an Azure deployment needs an `api_version`", "a path with `/deployments/`",
        "add the one that the deployment was tested with, as in `api_version: \"2024-10-21\"`";
    BAD_PATH = Error "bad-path",
        "`{0}` is not a path", "{1}", "";
    BAD_HEADER_NAME = Error "bad-header-name",
        "`{0}` is not the name of a header", "", "letters, digits and hyphens";
    BAD_HEADER_VALUE = Error "bad-header-value",
        "the value of `{0}` cannot be sent in a header", "{1}", "";
    RESERVED_HEADER = Error "reserved-header",
        "`{0}` is set by the router itself", "", "{1}";
    UNUSED_MODEL_ID = Error "unused-model-id",
        "no backend of model `{0}` has the type `{1}`", "never used", "";
    RETRY_COUNT_ALONE = Error "retry-count-alone",
        "`retry_count` needs `retry_on`", "retries of what?", "as in `retry_on: connect-failure,5xx`";
    FREE_CACHED_INPUT = Warning "free-cached-input",
        "cached input tokens are counted as free", "`cached_input_per_1m` is not set",
        "set it to what the provider bills for tokens that are read from its cache";

    // Signals.
    UNUSED_SIGNAL = Warning "unused-signal",
        "no decision uses the {0} signal `{1}`", "never used", "it is left out of the binary";
    NO_KEYWORDS = Error "no-keywords",
        "signal `{0}` has no keywords", "", "";
    BAD_REGEX = Error "bad-regex",
        "not a regular expression: {0}", "", "";
    REGEX_WITHOUT_DFA = Error "regex-without-dfa",
        "the expression cannot be compiled to an automaton", "{0}", "";
    LONG_KEYWORD = Error "long-keyword",
        "the keyword has {0} characters", "at most {1} are possible",
        "look for a shorter piece of it";
    FUZZY_MATCHES_ALL = Error "fuzzy-matches-all",
        "with {0} edits any short word becomes {1}", "as many as it has letters, or more",
        "`fuzzy_threshold` is the number of letters that may differ, 2 where it is not written: give a smaller one, or put short keywords into a signal of their own";
    NO_STEMS = Error "no-stems",
        "the keyword `{0}` can never match", "only words that are left out, such as `the`",
        "`method: bm25` looks at words that mean something; without a `method` it is found as it is";
    EMPTY_BAND = Error "empty-band",
        "signal `{0}` can never match", "`min_tokens` is larger than `max_tokens`", "";

    UNKNOWN_LANGUAGE = Error "unknown-language",
        "`{0}` is not a language that can be told from others", "not a known code of ISO 639-1", "the codes are {1}";
    EMPTY_LIST = Error "empty-list",
        "`{0}` is empty", "nothing stands in it", "";
    EXACTLY_ONE = Error "exactly-one",
        "`{0}` takes exactly one of {1}", "", "";
    WRONG_SOURCE = Error "wrong-source",
        "`type: {0}` needs a source of `type: {1}`", "", "";
    NO_CRITERIA = Error "no-criteria",
        "event signal `{0}` has no criteria", "can never match",
        "write `event_types`, `severities`, `action_codes` or `temporal: true`";
    NO_DETECTOR = Error "no-detector",
        "nothing tells modalities apart", "needs a detector",
        "set `global.model_catalog.modules.modality_detector`: `enabled: true`, `method: keyword` and `keywords`";
    UNKNOWN_SCORE = Error "unknown-score",
        "there is no score `{0}`", "not in `routing.projections.scores`", "";
    SCORE_CYCLE = Error "score-cycle",
        "score `{0}` depends on itself", "its value is needed for its value", "through {1}";
    NO_BOUNDS = Error "no-bounds",
        "`{0}` has no bounds", "compares with nothing", "write at least one of `gt`, `gte`, `lt` and `lte`";
    EMPTY_BOUNDS = Error "empty-bounds",
        "no number is within the bounds of {0}", "exclude each other", "";

    // Decisions.
    UNKNOWN_SIGNAL = Error "unknown-signal",
        "there is no {0} signal `{1}`", "not declared", "";
    LEAF_AND_GROUP = Error "leaf-and-group",
        "a condition is either a signal or a group", "`{0}` does not go with `{1}`",
        "a signal has `type` and `name`, a group `operator` and `conditions`";
    EMPTY_GROUP = Error "empty-group",
        "`operator: {0}` has no conditions", "", "{1}";
    NOT_TAKES_ONE = Error "not-takes-one",
        "`operator: NOT` takes one condition, not {0}", "", "wrap them in a group with `operator: OR` or `AND`";
    NO_DEFAULT_MODEL = Error "no-default-model",
        "decision `{0}` names no model, and there is no default model", "",
        "add `modelRefs`, or set `providers.defaults.default_model`";
    NOTHING_FOR_AUTO = Warning "nothing-for-auto",
        "requests for `{0}` cannot be answered", "no decision and no default model",
        "set `providers.defaults.default_model`, or add a decision without rules";
    NEVER_MATCHES = Error "never-matches",
        "decision `{0}` can never match", "its rules contradict each other", "";
    UNREACHABLE_DECISION = Error "unreachable-decision",
        "decision `{0}` can never win", "whenever it matches, `{1}` matches too and comes first", "{2}";
    WEIGHT_UNUSED = Warning "weight-unused",
        "`weight` has no effect", "no algorithm looks at it", "order `modelRefs` by preference";

    // Entrypoints and recipes.
    UNKNOWN_RECIPE = Error "unknown-recipe",
        "there is no recipe `{0}`", "not in `recipes`", "";
    RESERVED_RECIPE = Error "reserved-recipe",
        "a recipe cannot be called `{0}`", "reserved", "`default` is the top-level `routing`: rename the recipe";
    PUBLIC_NAME_TAKEN = Error "public-name-taken",
        "`{0}` is the name of {1} already", "taken", "give the entrypoint another name";
    UNUSED_RECIPE = Warning "unused-recipe",
        "no entrypoint names the recipe `{0}`", "nobody can ask for it", "it is left out of the binary; add it to `entrypoints`";

    // Images.
    NOBODY_MAKES_IMAGES = Error "nobody-makes-images",
        "decision `{0}` asks for images, and nobody makes them", "its rules look at `modality: {1}`",
        "give it an `omni` model in `modelRefs` (`modality` of the model's card), a `diffusion` one, or the plugin `image_gen`";
    BOTH_NEEDS_BOTH = Error "both-needs-both",
        "decision `{0}` asks for text and images, and {1}", "its rules look at `modality: BOTH`",
        "give it one `omni` model in `modelRefs` (`modality` of the model's card), or an `ar` and a `diffusion` one";
    MODALITY_PROTOCOL = Error "modality-protocol",
        "model `{0}` cannot make images", "its backends speak Anthropic's Messages, which has none", "remove it, or write `modality: ar`";

    // Plugins and reasoning.
    NEEDED_PARAM = Error "needed-param",
        "`{0}` cannot be blocked", "no request is whole without it", "remove it";
    PLUGIN_DOES_NOTHING = Error "plugin-does-nothing",
        "the plugin `{0}` does nothing", "{1}", "tell it what to do, or remove it";
    UNKNOWN_FAMILY = Error "unknown-family",
        "there is no reasoning family `{0}`", "not in `providers.defaults.reasoning_families`", "";
    UNKNOWN_LORA = Error "unknown-lora",
        "model `{0}` has no LoRA adapter `{1}`", "not in the `loras` of its card", "";
    NO_PRICE = Error "no-price",
        "algorithm `cost` needs the prices of all models", "`{0}` has none", "give the model `pricing`";
    MIXED_CURRENCIES = Error "mixed-currencies",
        "algorithm `cost` cannot compare {0} with {1}", "two currencies", "give all prices in one currency";
    NO_WEIGHT = Error "no-weight",
        "all weights are 0", "nothing would count", "give at least one of them a weight";
    REASONING_UNUSED = Warning "reasoning-unused",
        "`{0}` has no effect", "{1}", "";
}
