//! Messages requests and the Chat requests that they become, row by row.
