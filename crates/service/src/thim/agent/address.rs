//! Where the agent listens, and whether it may.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;

use super::error::AgentError;
use crate::server::Listener;

/// The metadata address of clouds.
pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), 80);

/// A metadata service is one hop away and answers within milliseconds.
const PROBE: Duration = Duration::from_millis(1500);

/// Listens. A link-local address must not have an owner already: a cloud has a metadata service of its own there, and its
/// guests need that.
///
/// # Errors
/// [`AgentError::Occupied`], [`AgentError::AddressMissing`], [`AgentError::NotPermitted`], [`AgentError::EveryAddress`],
/// [`AgentError::NotLoopback`] for simulated hardware, and [`AgentError::Serve`].
pub async fn bind(address: SocketAddr, simulated: bool) -> Result<Listener, AgentError> {
    let ip = address.ip().to_canonical();
    if ip.is_unspecified() {
        return Err(AgentError::EveryAddress(address));
    }
    if simulated && !ip.is_loopback() {
        return Err(AgentError::NotLoopback(address));
    }
    if is_link_local(ip) && is_answered(address).await {
        return Err(AgentError::Occupied(address));
    }
    Listener::bind(address).await.map_err(AgentError::bind)
}

/// Whether somebody takes connections there.
pub async fn is_answered(address: SocketAddr) -> bool {
    // Port 0 is for the system to choose: nobody is there.
    address.port() != 0 && matches!(tokio::time::timeout(PROBE, TcpStream::connect(address)).await, Ok(Ok(_)))
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_that_others_reach_are_refused() {
        let bind = |text: &str, simulated| super::bind(text.parse::<SocketAddr>().unwrap(), simulated);
        assert_eq!(bind("0.0.0.0:0", false).await.unwrap_err().code(), "address-unspecified");
        assert_eq!(bind("[::]:0", false).await.unwrap_err().code(), "address-unspecified");
        assert_eq!(bind("192.0.2.1:0", true).await.unwrap_err().code(), "address-not-loopback");
        let missing = bind("192.0.2.1:0", false).await.unwrap_err();
        assert_eq!(missing.code(), "address-missing");
        assert_eq!(missing.help().unwrap(), "add it first: `ip addr add 192.0.2.1/32 dev lo`");
        let listener = bind("127.0.0.1:0", true).await.unwrap();
        assert!(listener.address().port() > 0);
        let twice = super::bind(listener.address(), false).await.unwrap_err();
        assert_eq!(twice.code(), "address-occupied");
    }

    #[tokio::test]
    async fn an_answer_is_a_connection() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert!(is_answered(address).await);
        drop(listener);
        assert!(!is_answered(address).await);
        assert!(
            is_link_local("169.254.169.254".parse().unwrap()) && is_link_local("fe80::1".parse().unwrap())
        );
        assert!(!is_link_local("127.0.0.1".parse().unwrap()));
    }
}
