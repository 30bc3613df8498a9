//! An error of a backend, in no protocol's terms: what each protocol calls it, and with which status it goes out.

use http::StatusCode;

/// What went wrong at a backend, or on the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What sort of error it is.
    pub kind: FailureKind,
    /// For people, in plain text.
    pub message: String,
    /// The backend's own word for programs, where it has one (`context_length_exceeded`).
    pub code: Option<String>,
    /// The field of the request to blame, where the backend tells.
    pub param: Option<String>,
}

/// Sorts of errors. Anthropic: API reference, "Errors", whose list is the finer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// 400
    InvalidRequest,
    /// 401
    Authentication,
    /// 402
    Billing,
    /// 403
    Permission,
    /// 404
    NotFound,
    /// 409
    Conflict,
    /// 413
    TooLarge,
    /// 429
    RateLimit,
    /// 500
    Api,
    /// 504
    Timeout,
    /// 529 at Anthropic, 503 elsewhere.
    Overloaded,
}

impl Failure {
    /// An error of the backend itself.
    #[must_use]
    pub fn of_backend(message: &str) -> Failure {
        Failure { kind: FailureKind::Api, message: message.to_owned(), code: None, param: None }
    }

    /// An event of a stream is not what its protocol says.
    pub(super) fn malformed_event() -> Failure {
        Failure::of_backend("the backend sent an event that cannot be read")
    }

    /// A stream has more than may be kept of it.
    pub(super) fn too_large() -> Failure {
        Failure {
            code: Some("upstream_too_large".to_owned()),
            ..Failure::of_backend("the backend's answer is too large")
        }
    }

    /// A stream has ended before its answer was complete.
    pub(super) fn truncated() -> Failure {
        Failure::of_backend("the backend ended its answer before it was complete")
    }
}

impl FailureKind {
    /// Every sort.
    pub const ALL: [FailureKind; 11] = [
        FailureKind::InvalidRequest,
        FailureKind::Authentication,
        FailureKind::Billing,
        FailureKind::Permission,
        FailureKind::NotFound,
        FailureKind::Conflict,
        FailureKind::TooLarge,
        FailureKind::RateLimit,
        FailureKind::Api,
        FailureKind::Timeout,
        FailureKind::Overloaded,
    ];

    /// The sort that a status stands for.
    #[must_use]
    pub fn of_status(status: StatusCode) -> FailureKind {
        match status.as_u16() {
            401 => FailureKind::Authentication,
            402 => FailureKind::Billing,
            403 => FailureKind::Permission,
            404 => FailureKind::NotFound,
            409 => FailureKind::Conflict,
            413 => FailureKind::TooLarge,
            429 => FailureKind::RateLimit,
            408 | 504 => FailureKind::Timeout,
            503 | 529 => FailureKind::Overloaded,
            400..500 => FailureKind::InvalidRequest,
            _ => FailureKind::Api,
        }
    }

    /// The status that goes with it where none is known: for an error that was told within a stream. 529 is no status that
    /// OpenAI's SDKs were told of, so an overload is 503.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            FailureKind::InvalidRequest => StatusCode::BAD_REQUEST,
            FailureKind::Authentication => StatusCode::UNAUTHORIZED,
            FailureKind::Billing => StatusCode::PAYMENT_REQUIRED,
            FailureKind::Permission => StatusCode::FORBIDDEN,
            FailureKind::NotFound => StatusCode::NOT_FOUND,
            FailureKind::Conflict => StatusCode::CONFLICT,
            FailureKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            FailureKind::RateLimit => StatusCode::TOO_MANY_REQUESTS,
            // The backend failed, not the router.
            FailureKind::Api => StatusCode::BAD_GATEWAY,
            FailureKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            FailureKind::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Anthropic's `error.type`.
    #[must_use]
    pub fn anthropic(self) -> &'static str {
        match self {
            FailureKind::InvalidRequest | FailureKind::Conflict => "invalid_request_error",
            FailureKind::Authentication => "authentication_error",
            FailureKind::Billing => "billing_error",
            FailureKind::Permission => "permission_error",
            FailureKind::NotFound => "not_found_error",
            FailureKind::TooLarge => "request_too_large",
            FailureKind::RateLimit => "rate_limit_error",
            FailureKind::Api => "api_error",
            FailureKind::Timeout => "timeout_error",
            FailureKind::Overloaded => "overloaded_error",
        }
    }

    /// What Anthropic's `error.type` stands for; an unknown one is an error of the API.
    #[must_use]
    pub fn of_anthropic(word: &str) -> FailureKind {
        let known = FailureKind::ALL.into_iter().find(|kind| kind.anthropic() == word);
        known.unwrap_or(FailureKind::Api)
    }

    /// OpenAI's `error.type`.
    #[must_use]
    pub fn openai(self) -> &'static str {
        match self {
            FailureKind::RateLimit => "rate_limit_error",
            FailureKind::Authentication => "authentication_error",
            FailureKind::Permission => "permission_error",
            FailureKind::Billing => "insufficient_quota",
            FailureKind::Api | FailureKind::Timeout | FailureKind::Overloaded => "server_error",
            _ => "invalid_request_error",
        }
    }
}
