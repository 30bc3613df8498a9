//! Chat requests and the Messages requests that they become, row by row.
