//! Stored responses: read, told again as streams, and taken away. What is not the caller's is not there.

use super::Responding;
use super::query::pairs;
use crate::dispatch::{ApiError, Endpoint, event_stream_response, json_response};
use crate::protocol::responses::list::{self, Page};
use crate::protocol::responses::replay;
use crate::responses::store::{Id, Record};
use bytes::Bytes;
use http::Response;

impl Responding<'_> {
    /// Serves the endpoints of one stored response.
    pub(crate) async fn stored(
        self,
        endpoint: Endpoint,
        path: &str,
        query: Option<&str>,
    ) -> Result<Response<Bytes>, ApiError> {
        let shown = id_of(path);
        let id: Id = shown.parse().map_err(|_| ApiError::no_response(shown))?;
        let found: Option<Record> = self.store.get(id).await?.filter(|record| record.belongs_to(self.caller));
        let record = found.ok_or_else(|| ApiError::no_response(shown))?;
        let query = pairs(query);
        let query = || query.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        match endpoint {
            Endpoint::InputItems => Ok(json_response(Page::read(query())?.of(&record.input_items)?)),
            Endpoint::Cancel => Err(ApiError::not_in_background()),
            Endpoint::Delete => match self.store.delete(id).await? {
                true => Ok(json_response(list::deleted(shown).into())),
                // Somebody else was faster.
                false => Err(ApiError::no_response(shown)),
            },
            _ => match replay::Wanted::read(query())? {
                None => Ok(json_response(record.response)),
                Some(wanted) => {
                    let events =
                        replay::replay(&record.response, wanted).ok_or_else(|| ApiError::no_response(shown))?;
                    Ok(event_stream_response(events))
                }
            },
        }
    }
}

/// The third segment of the path.
fn id_of(path: &str) -> &str {
    path.split('/').nth(3).unwrap_or_default()
}
