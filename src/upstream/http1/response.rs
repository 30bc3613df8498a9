//! The head of a response, and what it says about the body. RFC 9112, 4 to 6 and 9.3.

use super::{Decoder, Error};
use bytes::BytesMut;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};
use httparse::{ParserConfig, Status};
use std::mem::MaybeUninit;
use std::ops::Range;

/// A response head may have this many bytes.
pub const MAX_HEAD: usize = 64 * 1024;

/// A response head may have this many header lines.
pub const MAX_HEADERS: usize = 128;

/// This many responses with a status of 1xx may come before the one that counts.
pub const MAX_INTERIM: u8 = 16;

/// A response head.
#[derive(Debug)]
pub struct Head {
    /// Status and headers. `transfer-encoding` is among them; `content-length` only if the body is framed by it.
    pub response: Response<()>,
    /// How the body is framed.
    pub decoder: Decoder,
    /// Whether the connection can serve another request behind this response.
    pub keep_alive: bool,
}

/// Reads the head of the response to one request.
#[derive(Debug)]
pub struct HeadReader {
    /// A response to HEAD has no body, whatever its head says.
    bodyless: bool,
    /// How much of the buffer was looked at in vain.
    seen: usize,
    interim: u8,
}

impl HeadReader {
    /// For the response to a request with this method.
    #[must_use]
    pub fn new(method: &Method) -> Self {
        HeadReader { bodyless: method == Method::HEAD, seen: 0, interim: 0 }
    }

    /// Whether nothing has come yet. `buf` is the buffer that [`read`](Self::read) was given.
    #[must_use]
    pub fn is_untouched(&self, buf: &BytesMut) -> bool {
        buf.is_empty() && self.interim == 0
    }

    /// Takes the head off the buffer; `None` if more input is needed.
    pub fn read(&mut self, buf: &mut BytesMut) -> Result<Option<Head>, Error> {
        loop {
            // Every line is looked at once or twice, not every byte as often as there are reads.
            if self.seen > 0 && !buf[self.seen..].contains(&b'\n') {
                self.seen = buf.len();
                return if buf.len() > MAX_HEAD { Err(Error::HeadTooLarge) } else { Ok(None) };
            }
            let Some((status, minor, headers)) = parse(buf)? else {
                self.seen = buf.len();
                return Ok(None);
            };
            self.seen = 0;
            match status.as_u16() {
                101 => return Err(Error::Upgrade),
                ..200 if self.interim == MAX_INTERIM => return Err(Error::TooManyInterim),
                ..200 => self.interim += 1,
                _ => return self.head(status, minor, headers).map(Some),
            }
        }
    }

    fn head(&self, status: StatusCode, minor: u8, mut headers: HeaderMap) -> Result<Head, Error> {
        let is_http_11 = minor == 1;
        let mut keep_alive = is_persistent(is_http_11, &headers);
        let length = content_length(&mut headers)?;
        let chunked = is_chunked(&headers)?;
        let decoder = if self.bodyless || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            // There is no body that it could be about.
            headers.remove(header::CONTENT_LENGTH);
            Decoder::length(0)
        } else if chunked {
            // Two ways of framing, or one that HTTP/1.0 does not have: somebody on the way may have understood another.
            keep_alive &= is_http_11 && length.is_none();
            headers.remove(header::CONTENT_LENGTH);
            Decoder::chunked()
        } else if let Some(length) = length {
            Decoder::length(length)
        } else {
            keep_alive = false;
            Decoder::until_close()
        };
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(Head { response, decoder, keep_alive })
    }
}

/// The status, minor version and headers of the head at the beginning of the buffer, which is then taken off.
fn parse(buf: &mut BytesMut) -> Result<Option<(StatusCode, u8, HeaderMap)>, Error> {
    let mut space = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut head = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut head, buf, &mut space);
    let end = match parsed.map_err(Error::Head)? {
        Status::Complete(end) if end <= MAX_HEAD => end,
        Status::Partial if buf.len() <= MAX_HEAD => return Ok(None),
        _ => return Err(Error::HeadTooLarge),
    };
    // Places, not slices: the buffer can be frozen only when nothing borrows from it.
    let base = buf.as_ptr().addr();
    let place = |part: &[u8]| -> Range<usize> {
        let start = part.as_ptr().addr() - base;
        start..start + part.len()
    };
    let lines: Vec<(Range<usize>, Range<usize>)> =
        head.headers.iter().map(|header| (place(header.name.as_bytes()), place(header.value))).collect();
    let minor = head.version.unwrap_or_default();
    let status =
        StatusCode::from_u16(head.code.unwrap_or_default()).map_err(|_| Error::Head(httparse::Error::Status))?;
    let bytes = buf.split_to(end).freeze();
    let mut headers = HeaderMap::with_capacity(lines.len());
    for (name, value) in lines {
        let name = HeaderName::from_bytes(&bytes[name]).map_err(|_| Error::Head(httparse::Error::HeaderName))?;
        let value = HeaderValue::from_maybe_shared(bytes.slice(value))
            .map_err(|_| Error::Head(httparse::Error::HeaderValue))?;
        headers.append(name, value);
    }
    Ok(Some((status, minor, headers)))
}

/// The elements of a comma-separated list.
fn elements(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

/// Whether the connection stays open behind a response with these headers. RFC 9112, 9.3.
fn is_persistent(is_http_11: bool, headers: &HeaderMap) -> bool {
    let mut keep_alive = is_http_11;
    for element in headers.get_all(header::CONNECTION).iter().flat_map(elements) {
        if element.eq_ignore_ascii_case(b"close") {
            return false;
        }
        keep_alive |= element.eq_ignore_ascii_case(b"keep-alive");
    }
    keep_alive
}

/// What `Content-Length` says. The same number several times is made one.
fn content_length(headers: &mut HeaderMap) -> Result<Option<u64>, Error> {
    let mut length = None;
    let mut times = 0;
    for element in headers.get_all(header::CONTENT_LENGTH).iter().flat_map(elements) {
        if element.is_empty() || !element.iter().all(u8::is_ascii_digit) {
            return Err(Error::ContentLength);
        }
        let number = std::str::from_utf8(element).ok().and_then(|digits| digits.parse::<u64>().ok());
        let number = number.ok_or(Error::ContentLength)?;
        if length.is_some_and(|other| other != number) {
            return Err(Error::ContentLength);
        }
        length = Some(number);
        times += 1;
    }
    if let (Some(length), 2..) = (length, times) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(length)
}

/// Whether `Transfer-Encoding` says that the body is chunked. Nothing else was asked for, and nothing else is undone here.
fn is_chunked(headers: &HeaderMap) -> Result<bool, Error> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter().flat_map(elements);
    match (codings.next(), codings.next()) {
        (None, _) => Ok(false),
        (Some(only), None) if only.eq_ignore_ascii_case(b"chunked") => Ok(true),
        _ => Err(Error::TransferEncoding),
    }
}
