//! Binds the listening sockets, before anything else is started, so that a taken port is one clear line.

use crate::table::Tables;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({what}): {source}")]
pub(super) struct BindError {
    what: String,
    address: String,
    source: io::Error,
}

/// A public listener: one socket for each worker, on one port.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) address: SocketAddr,
    pub(super) sockets: Vec<TcpListener>,
}

/// Binds all public listeners, the first one to `instead` if that is given.
pub(super) fn bind_public(
    tables: &Tables,
    instead: Option<SocketAddr>,
    workers: usize,
) -> Result<Vec<Bound>, BindError> {
    let mut all = Vec::with_capacity(tables.listeners.len());
    for (i, listener) in tables.listeners.iter().enumerate() {
        let what = format!("listener `{}`", listener.name);
        let address = match instead.filter(|_| i == 0) {
            Some(address) => address,
            None => address(&what, listener.address, listener.port)?,
        };
        let wrap = |source| BindError { what: what.clone(), address: address.to_string(), source };
        all.push(bind_shared(address, workers).map_err(wrap)?);
    }
    Ok(all)
}

/// Binds the service for Envoy, where the document has one.
pub(super) fn bind_extproc(
    tables: &Tables,
    instead: Option<SocketAddr>,
    workers: usize,
) -> Result<Option<Bound>, BindError> {
    let Some(service) = &tables.extproc else { return Ok(None) };
    let what = "the service for Envoy".to_owned();
    let address = match instead {
        Some(address) => address,
        None => address(&what, service.address, service.port)?,
    };
    let bound = bind_shared(address, workers);
    bound.map(Some).map_err(|source| BindError { what, address: address.to_string(), source })
}

/// Binds the apiserver.
pub(super) fn bind_management(tables: &Tables, instead: Option<SocketAddr>) -> Result<TcpListener, BindError> {
    let what = "apiserver".to_owned();
    let address = match instead {
        Some(address) => address,
        None => address(&what, tables.management.address, tables.management.port)?,
    };
    bind(address, false).and_then(listen).map_err(|source| BindError { what, address: address.to_string(), source })
}

fn address(what: &str, ip: &str, port: u16) -> Result<SocketAddr, BindError> {
    let ip: IpAddr = ip.parse().map_err(|e| BindError {
        what: what.to_owned(),
        address: format!("{ip}:{port}"),
        source: io::Error::new(io::ErrorKind::InvalidInput, e),
    })?;
    Ok(SocketAddr::new(ip, port))
}

/// One socket for each worker; the kernel spreads the connections over them.
fn bind_shared(address: SocketAddr, workers: usize) -> io::Result<Bound> {
    // Sockets that share a port also share it with those of another process of the same user: only one that does not
    // share notices that the port is taken.
    let probe = bind(address, false)?;
    let address = local_address(&probe)?;
    drop(probe);
    let sockets = (0..workers).map(|_| bind(address, true).and_then(listen)).collect::<io::Result<_>>()?;
    Ok(Bound { address, sockets })
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn listen(socket: Socket) -> io::Result<TcpListener> {
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn local_address(socket: &Socket) -> io::Result<SocketAddr> {
    socket.local_addr()?.as_socket().ok_or_else(|| io::Error::other("no IP socket"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_a_port() {
        let bound = bind_shared(([127, 0, 0, 1], 0).into(), 3).unwrap();
        assert_eq!(bound.sockets.len(), 3);
        for socket in &bound.sockets {
            assert_eq!(socket.local_addr().unwrap(), bound.address);
        }
    }

    #[test]
    fn a_taken_port_is_noticed() {
        let bound = bind_shared(([127, 0, 0, 1], 0).into(), 2).unwrap();
        assert_eq!(bind_shared(bound.address, 2).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
