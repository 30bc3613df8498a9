//! OpenAI's Responses: requests as chat requests, and answers of any backend as responses.
