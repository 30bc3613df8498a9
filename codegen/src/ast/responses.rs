//! `global.services.response_api`: stored responses.

use super::decode::{Leaf, List, section};
use super::shape::{FLAG, NAME, SIZE, whole, words};

/// Ten years.
const LONGEST: i64 = 315_360_000;

section! {
    /// The Responses API and where it stores responses.
    "global.services.response_api" => pub struct ResponseApi {
        /// Whether it is served. Default: true.
        enabled: Leaf as FLAG,
        /// `memory`, `file` or `redis`. Default: the one whose block is written, else `memory`.
        store_backend: Leaf as words(&["memory", "file", "redis"]),
        /// How long a response is kept, in seconds. Default: 86400, a day.
        ttl_seconds: Leaf as whole(1, LONGEST),
        /// How many are kept at most, in memory or in a file. Default: 1000.
        max_responses: Leaf as whole(1, 1_000_000_000),
        /// How many bytes they may take, in memory or in a file. Default: `64MiB` in memory, `1GiB` in a file.
        max_bytes: Leaf as SIZE,
        /// What becomes of tools that are not here, such as `web_search`: `refuse` the request, or `omit` them from what backends
        /// are told. Default: `refuse`.
        unsupported_tools: Leaf as words(&["refuse", "omit"]),
        /// For `store_backend: file`.
        file: ResponseFile,
        /// For `store_backend: redis`.
        redis: ResponseRedis,
    }
}

section! {
    /// Responses in a file of this machine, for one process.
    "global.services.response_api.file" => pub struct ResponseFile {
        /// Where it lies. It is made if it is not there; its folder must be.
        path: Leaf as NAME.required(),
    }
}

section! {
    /// Responses in Redis or Valkey, for any number of processes.
    "global.services.response_api.redis" => pub struct ResponseRedis {
        /// `host:port`.
        address: Leaf as NAME,
        /// A reference to an environment variable.
        password: Leaf as NAME,
        /// Number of the database. Default: 0.
        db: Leaf as whole(0, 65_535),
        /// What all keys begin with. Default: `sr:`.
        key_prefix: Leaf,
        /// Whether it is a cluster. Default: false.
        cluster_mode: Leaf as FLAG,
        /// `host:port` of some of its nodes.
        cluster_addresses: List<Leaf> as NAME.some(),
        /// How often an operation is tried again after its connection broke. Default: 3.
        max_retries: Leaf as whole(0, 10),
        /// For a connection to be there, in seconds. Default: 5.
        dial_timeout: Leaf as whole(1, 600),
        /// For reading a response, in seconds. Default: 3.
        read_timeout: Leaf as whole(1, 600),
        /// For writing or deleting one, in seconds. Default: 3.
        write_timeout: Leaf as whole(1, 600),
        /// Whether it is reached over TLS. Default: false.
        tls_enabled: Leaf as FLAG,
    }
}
