//! The side-by-side run.
