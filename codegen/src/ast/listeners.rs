//! `listeners`: where clients come in.

use super::decode::{Leaf, List, section};
use super::shape::{DURATION, NAME, PORT};

section! {
    /// One public ingress listener.
    "listeners[]" => pub struct Listener {
        /// For logs. Unique. Default: `listener-1` and so on.
        name: Leaf as NAME,
        /// IP address. Default: `0.0.0.0`.
        address: Leaf,
        /// TCP port, 1 to 65535.
        port: Leaf as PORT.required(),
        /// Bound on a whole request. Default: `300s`.
        timeout: Leaf as DURATION,
        /// Keys of which a client must show one; references to environment variables. Default: anyone may ask.
        api_keys: List<Leaf> as NAME,
    }
}
