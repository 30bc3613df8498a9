//! Why no configuration is written.

use std::fmt;

/// What stands against a configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// A variable that the address of a backend needs.
    Missing {
        /// Its name.
        variable: String,
        /// The backend.
        backend: String,
    },
    /// What stands in variables is no address.
    Bad {
        /// The backend.
        backend: String,
        /// Why not.
        why: String,
    },
    /// The router serves those alone who have a certificate, and Envoy would have none.
    NoCertificate,
    /// Envoy would have a certificate for a router that does not speak TLS.
    NoTls,
    /// Requests would pass a listener's keys whenever the router cannot be asked.
    Unguarded {
        /// The listener.
        listener: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Missing { variable, backend } => {
                write!(f, "the address of `{backend}` needs the environment variable {variable}, which is not set")
            }
            Refusal::Bad { backend, why } => write!(f, "the address of `{backend}` cannot be used: {why}"),
            Refusal::NoCertificate => f.write_str(
                "`hardwire.extproc.tls.client_ca_file` is set: the router serves nobody without a certificate; tell Envoy's \
                 with `--client-cert` and `--client-key`",
            ),
            Refusal::NoTls => f.write_str("`--client-cert` has no effect: the document has no `hardwire.extproc.tls`"),
            Refusal::Unguarded { listener } => write!(
                f,
                "`--failure-mode-allow` is refused: the listener `{listener}` has `api_keys`, which the router alone asks \
                 for; when it cannot be asked, requests without a key would reach the default model, and keys its backend"
            ),
        }
    }
}
