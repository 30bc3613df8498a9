//! `global`: what concerns the router as a whole.

use super::decode::{Leaf, List, section};
use super::shape::{FLAG, NAME, PORT, words};

section! {
    /// All of it.
    "global" => pub struct Global {
        /// Virtual names and the list of models.
        router: Router,
        /// Services beside the ingress.
        services: Services,
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
        /// Whether `/v1/models` also lists `providers.models`. Default: false.
        include_config_models_in_list: Leaf as FLAG,
    }
}

section! {
    /// Services beside the ingress.
    "global.services" => pub struct Services {
        /// The apiserver.
        management_api: ManagementApi,
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
