//! OpenAI's Chat Completions: what its bodies and streams mean.
