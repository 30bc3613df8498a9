//! `global`: what concerns the router as a whole.

use super::decode::{Leaf, List, section};
use super::responses::ResponseApi;
use super::shape::{FLAG, NAME, PORT, words};

section! {
    /// All of it.
    "global" => pub struct Global {
        /// Virtual names and the list of models.
        router: Router,
        /// Services beside the ingress.
        services: Services,
        /// What the router knows models for elsewhere.
        model_catalog: ModelCatalog,
    }
}

section! {
    /// What the router knows models for elsewhere.
    "global.model_catalog" => pub struct ModelCatalog {
        /// Detectors.
        modules: Modules,
    }
}

section! {
    /// Detectors.
    "global.model_catalog.modules" => pub struct Modules {
        /// What kind of answer the user asks for.
        modality_detector: ModalityDetector,
    }
}

section! {
    /// What kind of answer the user asks for, for signals of `routing.signals.modality`.
    "global.model_catalog.modules.modality_detector" => pub struct ModalityDetector {
        /// Whether it may be used. Default: false.
        enabled: Leaf as FLAG,
        /// `keyword`.
        method: Leaf as words(&["keyword"]),
        /// Texts that ask for an image; at least one.
        keywords: List<Leaf> as NAME,
        /// Texts that ask for words beside it.
        both_keywords: List<Leaf> as NAME,
    }
}

section! {
    /// Virtual names and the list of models.
    "global.router" => pub struct Router {
        /// `file`: there is no other source for a baked router.
        config_source: Leaf as words(&["file"]),
        /// Third virtual name beside `vllm-sr/auto` and `auto`. Default: `MoM`.
        auto_model_name: Leaf as NAME,
        /// All virtual names, in place of those.
        auto_model_names: List<Leaf> as NAME.some(),
        /// Whether Envoy looks for a route again when the model is chosen. Needs `hardwire.extproc`. Default: true.
        clear_route_cache: Leaf as FLAG,
        /// Whether `/v1/models` also lists `providers.models`. Default: false.
        include_config_models_in_list: Leaf as FLAG,
    }
}

section! {
    /// Services beside the ingress.
    "global.services" => pub struct Services {
        /// The apiserver.
        management_api: ManagementApi,
        /// Who sends a request, for the signals of `routing.signals.role_bindings`.
        authz: Authz,
        /// The Responses API and where it stores responses.
        response_api: ResponseApi,
    }
}

section! {
    /// Who sends a request, for the signals of `routing.signals.role_bindings`.
    "global.services.authz" => pub struct Authz {
        /// Whether a request that does not tell is served all the same, without a role. Default: false.
        fail_open: Leaf as FLAG,
        /// Where it stands.
        identity: Identity,
    }
}

section! {
    /// The headers that tell who sends a request. Only a proxy in front that sets them itself can be trusted with them.
    "global.services.authz.identity" => pub struct Identity {
        /// Default: `x-authz-user-id`.
        user_id_header: Leaf as NAME,
        /// Groups, set apart by commas. Default: `x-authz-user-groups`.
        user_groups_header: Leaf as NAME,
    }
}

section! {
    /// The apiserver: health, metrics, configuration.
    "global.services.management_api" => pub struct ManagementApi {
        /// IP address. Default: `127.0.0.1`.
        bind_address: Leaf,
        /// TCP port. Default: 8080.
        port: Leaf as PORT,
        /// Who may ask.
        auth: ManagementAuth,
    }
}

section! {
    /// Who may ask the apiserver.
    "global.services.management_api.auth" => pub struct ManagementAuth {
        /// `disabled`.
        mode: Leaf as words(&["disabled"]),
    }
}
