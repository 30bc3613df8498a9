//! Routers baked from `configs/`, for tests and benches.
