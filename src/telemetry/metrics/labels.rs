//! The label values that are not names from the configuration.

/// Defines an enum whose variants are values of one label.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// As metrics and logs write it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }
    };
}

label! {
    /// Why a request did not end well: `reason` of `llm_request_errors_total`, and `outcome` in the access log.
    ErrorReason {
        /// A bound on time was reached: the listener's total, the backend's first byte, or an idle stream.
        Timeout = "timeout",
        /// The backend answered with a 4xx, which the client got.
        Upstream4xx = "upstream_4xx",
        /// The backend answered with a 5xx, which the client got.
        Upstream5xx = "upstream_5xx",
        /// No backend could be reached, or all that could were ejected.
        UpstreamUnreachable = "upstream_unreachable",
        /// The backend's answer broke off or was not HTTP.
        UpstreamBroken = "upstream_broken",
        /// The request could not be understood: not JSON, a field missing or of the wrong type.
        ParseError = "parse_error",
        /// The request's body exceeds the limit.
        BodyTooLarge = "body_too_large",
        /// The body did not arrive in time or in full.
        BodyIncomplete = "body_incomplete",
        /// `model` names nothing that this router serves.
        ModelNotFound = "model_not_found",
        /// A virtual name, no decision that matches, and no default model.
        NoModelSelected = "no_model_selected",
        /// An image is wanted, and nobody makes it for this request.
        ImagesNotSupported = "images_not_supported",
        /// The client left before the answer was complete.
        ClientClosed = "client_closed",
        /// No or a wrong key.
        Unauthorized = "unauthorized",
        /// There is nothing at this path, or not for this method.
        NotFound = "not_found",
        /// The store of responses did not do what it was asked.
        StoreUnavailable = "store_unavailable",
        /// A defect of the router itself.
        Internal = "internal",
    }
}

label! {
    /// How one attempt at a backend ended: `outcome` of `hardwire_upstream_attempts_total`.
    AttemptOutcome {
        /// A response head with a status below 400 arrived.
        Success = "success",
        /// A response head with a 4xx arrived.
        Status4xx = "status_4xx",
        /// A response head with a 5xx arrived.
        Status5xx = "status_5xx",
        /// Name look-up, connect or TLS handshake failed.
        ConnectFailure = "connect_failure",
        /// The connection broke before the response head.
        Reset = "reset",
        /// Connect or the response head took too long.
        Timeout = "timeout",
        /// The client left while the attempt was under way.
        Cancelled = "cancelled",
    }
}

/// Whether a backend is picked, as the upstream side sees it when Prometheus asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendState {
    /// It is picked.
    Healthy,
    /// Its health check fails.
    Unhealthy,
    /// It failed too often in a row and is left out for a while.
    Ejected,
}
