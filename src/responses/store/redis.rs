//! Stored responses in Redis or Valkey, one server or a cluster: for any number of routers. The one file that knows the crate.
//!
//! A key a record, `<key_prefix>response:<id>`, which Redis drops when its time is over. Each worker has one connection, made when it
//! is first needed, and again after an error; all its operations share it. The crate's own connection manager is not used: it
//! does not tell waiting for a connection from waiting for an answer, and the configuration has a bound for each.

use super::{Answer, Backend, FURTHER, Id, Most, OpenError, Place, Reading, StoreError, Stores, now};
use crate::table::RedisStore;
use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, FromRedisValue, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, TlsCertificates, TlsMode, Value,
};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// The port of an address that names none.
const PORT: u16 = 6379;

/// After a failed attempt to connect, everybody is told so for this long: a server that is down is not asked by every request.
const BACK_OFF: Duration = Duration::from_millis(250);

/// Before the first repetition of an operation; each further one waits twice as long.
const RETRY_DELAY: Duration = Duration::from_millis(8);

/// Checks the settings. Whether Redis is there, the first operation finds out.
pub fn open(settings: &RedisStore, place: &Place<'_>) -> Result<Stores, OpenError> {
    let bad = |error: &dyn fmt::Display| OpenError::Redis(error.to_string());
    let server = Server {
        prefix: format!("{}response:", place.env.text(&settings.key_prefix)),
        max_retries: settings.max_retries,
        dial_timeout: settings.dial_timeout,
        read_timeout: settings.read_timeout,
        write_timeout: settings.write_timeout,
        client: client(settings, place).map_err(|error| bad(&error))?,
    };
    let server = Arc::new(server);
    Ok(Stores::new(settings.ttl, None, move || {
        Rc::new(Redis { server: Arc::clone(&server), link: Mutex::new(Link::default()) })
    }))
}

/// What all workers know.
struct Server {
    /// Before the id.
    prefix: String,
    max_retries: u32,
    dial_timeout: Duration,
    read_timeout: Duration,
    write_timeout: Duration,
    client: Kind<Client, ClusterClient>,
}

/// A worker's end.
struct Redis {
    server: Arc<Server>,
    /// Held while connecting, so that one attempt serves all who wait.
    link: Mutex<Link>,
}

#[derive(Default)]
struct Link {
    connection: Option<Connection>,
    /// Counts connections, so that a broken one is given up once.
    number: u64,
    /// When connecting failed, and why.
    failed: Option<(Instant, StoreError)>,
}

type Connection = Kind<MultiplexedConnection, ClusterConnection>;

/// One server or a cluster.
#[derive(Clone)]
enum Kind<O, M> {
    One(O),
    Many(M),
}

/// Why an attempt came to nothing.
enum Failed {
    /// Another connection may do better.
    Broken(StoreError),
    /// Another attempt would take as long, or end the same.
    Final(StoreError),
}

// === settings ===

fn client(settings: &RedisStore, place: &Place<'_>) -> Result<Kind<Client, ClusterClient>, String> {
    let tls = settings.tls.then(|| certificates(place)).transpose()?;
    if tls.is_some() {
        // The one that backends are reached with; an error says that it is there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let password = settings.password.as_ref().map(|password| place.env.text(password));
    let mut nodes = Vec::new();
    for address in settings.addresses {
        let (host, port) = host_and_port(&place.env.text(address))?;
        let address = match tls {
            Some(_) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
            None => ConnectionAddr::Tcp(host, port),
        };
        let mut login = RedisConnectionInfo::default().set_db(i64::from(settings.db));
        if let Some(password) = &password {
            login = login.set_password(password);
        }
        let info: ConnectionInfo = address.into_connection_info().map_err(|error| error.to_string())?;
        nodes.push(info.set_redis_settings(login));
    }
    if settings.cluster {
        let mut builder = ClusterClient::builder(nodes)
            .connection_timeout(settings.dial_timeout)
            .response_timeout(settings.read_timeout.max(settings.write_timeout))
            .retries(settings.max_retries);
        if let Some(certificates) = tls {
            builder = builder.tls(TlsMode::Secure).certs(certificates);
        }
        return builder.build().map(Kind::Many).map_err(|error| error.to_string());
    }
    let node = nodes.into_iter().next().ok_or("it has no address")?;
    let client = match tls {
        Some(certificates) => Client::build_with_tls(node, certificates),
        None => Client::open(node),
    };
    client.map(Kind::One).map_err(|error| error.to_string())
}

/// The certificates of the CA file alone where there is one, else those of the public authorities.
fn certificates(place: &Place<'_>) -> Result<TlsCertificates, String> {
    let read = |path: &std::path::Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    Ok(TlsCertificates { client_tls: None, root_cert: place.ca_file.map(read).transpose()? })
}

/// `host`, `host:port`, `[::1]:port`.
fn host_and_port(address: &str) -> Result<(String, u16), String> {
    let bad = || format!("`{address}` is not an address such as `redis.internal:6379`");
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or_else(bad)?,
        None => address.split_at(address.find(':').unwrap_or(address.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or_else(bad)?,
        None if port.is_empty() => PORT,
        None => return Err(bad()),
    };
    let plain = !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && !b"/@?#[]".contains(&b));
    if plain { Ok((host.to_owned(), port)) } else { Err(bad()) }
}

// === impl Redis ===

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redis({}…)", self.server.prefix)
    }
}

impl Backend for Redis {
    fn get(&self, ids: Vec<Id>) -> Answer<'_, Vec<Option<Bytes>>> {
        Box::pin(async move { self.read(&ids).await })
    }

    /// The newest tells of those before it, which are then asked for at once; the oldest of these tells of more. Records
    /// of routers that told of the previous one alone are asked for one by one.
    fn chain(&self, id: Id, most: Most) -> Answer<'_, Vec<(Id, Bytes)>> {
        Box::pin(async move {
            let mut reading = Reading::new(most);
            let mut next = vec![id];
            while !next.is_empty() {
                next.truncate(reading.room());
                let blobs = self.read(&next).await?;
                let mut before = Vec::new();
                for (id, blob) in next.into_iter().zip(blobs) {
                    let Some(blob) = blob else { return Ok(reading.blobs) };
                    before = reading.push(id, blob);
                }
                next = before;
            }
            Ok(reading.blobs)
        })
    }

    fn further(&self) -> usize {
        FURTHER
    }

    fn put(&self, id: Id, expires_at: u64, blob: Bytes) -> Answer<'_, ()> {
        Box::pin(async move {
            // Redis knows no lifetime of nothing.
            let seconds = expires_at.saturating_sub(now()).max(1);
            let mut set = redis::cmd("SET");
            set.arg(self.key(id)).arg(&blob[..]).arg("EX").arg(seconds);
            drop(blob);
            self.run(&set, self.server.write_timeout).await
        })
    }

    fn delete(&self, id: Id) -> Answer<'_, bool> {
        Box::pin(async move {
            // Asked before: where a connection breaks, `DEL` is repeated, and then finds nothing that it has taken away itself.
            let there: u64 = self.run(redis::cmd("EXISTS").arg(self.key(id)), self.server.read_timeout).await?;
            if there > 0 {
                let _: u64 = self.run(redis::cmd("DEL").arg(self.key(id)), self.server.write_timeout).await?;
            }
            Ok(there > 0)
        })
    }
}

impl Redis {
    fn key(&self, id: Id) -> String {
        format!("{}{id}", self.server.prefix)
    }

    /// In one command; in a cluster, in one for each slot, all at once.
    async fn read(&self, ids: &[Id]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let patience = self.server.read_timeout;
        let values: Vec<Option<Vec<u8>>> = match ids {
            [] => Vec::new(),
            [id] => vec![self.run(redis::cmd("GET").arg(self.key(*id)), patience).await?],
            ids => {
                let keys: Vec<String> = ids.iter().map(|id| self.key(*id)).collect();
                self.run(redis::cmd("MGET").arg(keys), patience).await?
            }
        };
        Ok(values.into_iter().map(|value| value.map(Bytes::from)).collect())
    }

    /// Asks until there is an answer, the attempts are used up, or both bounds have passed.
    async fn run<T: FromRedisValue>(&self, command: &Cmd, patience: Duration) -> Result<T, StoreError> {
        let attempts = async {
            let mut delay = RETRY_DELAY;
            for _ in 0..self.server.max_retries {
                match self.attempt(command, patience).await {
                    Ok(value) => return Ok(value),
                    Err(Failed::Final(error)) => return Err(error),
                    Err(Failed::Broken(_)) => tokio::time::sleep(delay).await,
                }
                delay *= 2;
            }
            self.attempt(command, patience).await.map_err(|(Failed::Broken(error) | Failed::Final(error))| error)
        };
        let bound = self.server.dial_timeout + patience;
        timeout(bound, attempts).await.unwrap_or_else(|_| Err(late(bound)))
    }

    async fn attempt<T: FromRedisValue>(&self, command: &Cmd, patience: Duration) -> Result<T, Failed> {
        let (mut connection, number) = self.connection().await.map_err(Failed::Final)?;
        let query = async {
            match &mut connection {
                Kind::One(one) => command.query_async::<Value>(one).await,
                Kind::Many(many) => command.query_async::<Value>(many).await,
            }
        };
        let error = match timeout(patience, query).await {
            Ok(Ok(value)) => return T::from_redis_value(value).map_err(|error| Failed::Final(unavailable(error))),
            Ok(Err(error)) if is_broken(&error) => Failed::Broken(unavailable(error)),
            // It says something that it would say again: no memory left, no password given.
            Ok(Err(error)) => return Err(Failed::Final(unavailable(error))),
            Err(_) => Failed::Final(late(patience)),
        };
        let mut link = self.link.lock().await;
        if link.number == number {
            link.connection = None;
        }
        Err(error)
    }

    /// The connection, made if there is none.
    async fn connection(&self) -> Result<(Connection, u64), StoreError> {
        let mut link = self.link.lock().await;
        if let Some(connection) = &link.connection {
            return Ok((connection.clone(), link.number));
        }
        if let Some((at, error)) = &link.failed
            && at.elapsed() < BACK_OFF
        {
            return Err(error.clone());
        }
        let bound = self.server.dial_timeout;
        let dialled = match timeout(bound, self.dial()).await {
            Ok(result) => result.map_err(unavailable),
            Err(_) => Err(late(bound)),
        };
        match dialled {
            Ok(connection) => {
                link.number += 1;
                link.failed = None;
                link.connection = Some(connection.clone());
                Ok((connection, link.number))
            }
            Err(error) => {
                link.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn dial(&self) -> Result<Connection, RedisError> {
        // The bounds are ours, here and above: without them the crate has its own.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        match &self.server.client {
            Kind::One(client) => {
                client.get_multiplexed_async_connection_with_config(&config).await.map(Connection::One)
            }
            Kind::Many(client) => client.get_async_connection().await.map(Connection::Many),
        }
    }
}

/// Whether the connection is of no more use. A cluster mends its own where it can.
fn is_broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped() || error.is_unrecoverable_error()
}

#[allow(clippy::needless_pass_by_value, reason = "fits `map_err`")]
fn unavailable(error: impl fmt::Display) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

fn late(after: Duration) -> StoreError {
    StoreError::Unavailable(format!("Redis has not answered within {after:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (address, expected) in [
            ("localhost:6379", Some(("localhost", 6379))),
            ("redis", Some(("redis", 6379))),
            ("10.0.0.1:7000", Some(("10.0.0.1", 7000))),
            ("[::1]:7000", Some(("::1", 7000))),
            ("[::1]", Some(("::1", 6379))),
            ("::1", None),
            ("host:", None),
            ("host:0", None),
            ("host:65536", None),
            ("host:6379/0", None),
            ("redis://host:6379", None),
            ("user@host:6379", None),
            ("[::1", None),
            ("[::1]x", None),
            (":6379", None),
            ("", None),
            ("ho st", None),
        ] {
            let read = host_and_port(address).ok();
            assert_eq!(read, expected.map(|(host, port)| (host.to_owned(), port)), "{address}");
        }
    }
}
