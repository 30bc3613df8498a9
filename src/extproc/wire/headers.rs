//! Headers and trailers, and what is to be done to them.

use bytes::Bytes;

/// The head of a request or response.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HttpHeaders {
    /// Pseudo-headers among them. Names are in lower case.
    #[prost(message, optional, tag = "1")]
    pub headers: Option<HeaderMap>,
    /// There is no body, and there are no trailers.
    #[prost(bool, tag = "3")]
    pub end_of_stream: bool,
}

/// The trailers of a request or response.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HttpTrailers {
    /// Names are in lower case.
    #[prost(message, optional, tag = "1")]
    pub trailers: Option<HeaderMap>,
}

/// Headers in their order.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HeaderMap {
    /// The headers.
    #[prost(message, repeated, tag = "1")]
    pub headers: Vec<HeaderValue>,
}

/// One header. Its value stands in one of two fields.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HeaderValue {
    /// The name.
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    /// The value, as older versions of Envoy send it.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
    /// The value, as Envoy sends and expects it.
    #[prost(bytes = "bytes", tag = "3")]
    pub raw_value: Bytes,
}

/// Changes to headers. Removals come first.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HeaderMutation {
    /// Headers to set.
    #[prost(message, repeated, tag = "1")]
    pub set_headers: Vec<HeaderValueOption>,
    /// Names of headers to remove.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub remove_headers: Vec<Bytes>,
}

/// A header to set, and how.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HeaderValueOption {
    /// The header.
    #[prost(message, optional, tag = "1")]
    pub header: Option<HeaderValue>,
    /// What becomes of one that is there.
    #[prost(enumeration = "AppendAction", tag = "3")]
    pub append_action: i32,
    /// Whether it is set although its value is empty.
    #[prost(bool, tag = "4")]
    pub keep_empty_value: bool,
}

/// What becomes of a header that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum AppendAction {
    /// The new one stands beside it.
    Append = 0,
    /// It stays, and the new one is forgotten.
    AddIfAbsent = 1,
    /// The new one stands in its place.
    Overwrite = 2,
    /// The new one stands in its place; without it, there is none.
    OverwriteIfExists = 3,
}

impl HeaderValue {
    /// A header as it is to be sent.
    #[must_use]
    pub fn new(key: Bytes, value: Bytes) -> Self {
        HeaderValue { key, value: Bytes::new(), raw_value: value }
    }

    /// Its value, whichever field it stands in.
    #[must_use]
    pub fn value(&self) -> &Bytes {
        if self.raw_value.is_empty() { &self.value } else { &self.raw_value }
    }
}

impl HeaderMutation {
    /// Sets a header, in place of any that is there.
    pub fn set(&mut self, key: Bytes, value: Bytes) {
        self.put(key, value, AppendAction::Overwrite);
    }

    /// Adds a header, beside any that is there.
    pub fn add(&mut self, key: Bytes, value: Bytes) {
        self.put(key, value, AppendAction::Append);
    }

    /// Removes all headers of this name.
    pub fn remove(&mut self, key: Bytes) {
        self.remove_headers.push(key);
    }

    fn put(&mut self, key: Bytes, value: Bytes, action: AppendAction) {
        let keep_empty_value = value.is_empty();
        let header = Some(HeaderValue::new(key, value));
        self.set_headers.push(HeaderValueOption { header, append_action: action as i32, keep_empty_value });
    }
}
