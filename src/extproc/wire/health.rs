//! `grpc.health.v1`: whether a service is there.

/// Asks for a service.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HealthCheckRequest {
    /// Its full name; empty: the server as a whole.
    #[prost(string, tag = "1")]
    pub service: String,
}

/// Tells of a service.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct HealthCheckResponse {
    /// How it is.
    #[prost(enumeration = "ServingStatus", tag = "1")]
    pub status: i32,
}

/// How a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum ServingStatus {
    /// Nobody knows.
    Unknown = 0,
    /// It serves.
    Serving = 1,
    /// It does not, or will not for long.
    NotServing = 2,
    /// There is none of this name. Only a watch says so.
    ServiceUnknown = 3,
}
