//! Anthropic's Messages: what its bodies and streams mean.
