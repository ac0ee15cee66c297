//! Which addresses may be connected to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An exception to the rule that only public addresses are connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowEntry {
    /// Every address of a network, such as `10.1.0.0/16`.
    Network {
        /// Its first address.
        address: IpAddr,
        /// How many leading bits are the network's.
        prefix: u8,
    },
    /// One name and port, such as `login.example.internal:443`, wherever the name leads.
    Host {
        /// The name in lower case, or an address.
        host: String,
        /// The port.
        port: u16,
    },
}

/// A text that is neither a network nor a host with a port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is neither a network such as `10.1.0.0/16` nor a host with a port such as `login.example.internal:443`"
)]
pub struct AllowError(pub String);

impl FromStr for AllowEntry {
    type Err = AllowError;

    fn from_str(text: &str) -> Result<Self, AllowError> {
        let wrong = || AllowError(text.chars().take(80).collect());
        if let Some((address, prefix)) = text.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| wrong())?;
            let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
            let longest = if address.is_ipv4() { 32 } else { 128 };
            if prefix > longest || masked(address, prefix) != bits(address) {
                return Err(wrong());
            }
            return Ok(Self::Network { address, prefix });
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port: u16 = port.parse().map_err(|_| wrong())?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':');
        if host.is_empty() || port == 0 || !host.bytes().all(plain) {
            return Err(wrong());
        }
        Ok(Self::Host { host: host.to_ascii_lowercase(), port })
    }
}

impl fmt::Display for AllowEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network { address, prefix } => write!(f, "{address}/{prefix}"),
            Self::Host { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Host { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

impl AllowEntry {
    fn covers(&self, host: &str, port: u16, address: IpAddr) -> bool {
        match self {
            Self::Network { address: network, prefix } => {
                network.is_ipv4() == address.is_ipv4() && masked(address, *prefix) == bits(*network)
            }
            Self::Host { host: name, port: only } => name == host && *only == port,
        }
    }
}

/// Which addresses a client may connect to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    /// Exceptions for addresses that are not public.
    pub allow: Vec<AllowEntry>,
    /// Loopback addresses may be connected to: for the command line, which talks to a service on the same machine.
    pub allow_loopback: bool,
    /// Private networks may be connected to: for the command line, whose user names the service himself.
    pub allow_private: bool,
}

impl EgressPolicy {
    /// Whether `address`, which `host` resolved to, may be connected to.
    #[must_use]
    pub fn permits(&self, host: &str, port: u16, address: IpAddr) -> bool {
        // An IPv4 address in IPv6 clothes is judged as what it is.
        let address = address.to_canonical();
        if is_link_local(address) || address.is_unspecified() || address.is_multicast() {
            return false;
        }
        let host = host.to_ascii_lowercase();
        is_public(address)
            || (self.allow_loopback && address.is_loopback())
            || (self.allow_private && is_private(address))
            || self.allow.iter().any(|entry| entry.covers(&host, port, address))
    }
}

/// Cloud platforms serve credentials of the machine there (169.254.169.254): never, whatever is allowed.
fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        // fd00:ec2::254 is the same service of one cloud, in a range that is otherwise an ordinary private network.
        IpAddr::V6(address) => {
            address.is_unicast_link_local() || address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
        }
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4
            .iter()
            .any(|(network, prefix)| masked(IpAddr::V4(address), *prefix) == bits(IpAddr::V4(*network))),
        // Global unicast is 2000::/3; what is special inside follows (IANA IPv6 special-purpose registry).
        IpAddr::V6(address) => {
            let within =
                |network: Ipv6Addr, prefix| masked(IpAddr::V6(address), prefix) == bits(IpAddr::V6(network));
            within(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3)
                && !SPECIAL_V6.iter().any(|(network, prefix)| within(*network, *prefix))
        }
    }
}

/// IANA IPv4 special-purpose address registry, and multicast with everything above.
const SPECIAL_V4: [(Ipv4Addr, u8); 14] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// Protocol assignments (Teredo among them), documentation (two), and 6to4, which carries any IPv4 address.
const SPECIAL_V6: [(Ipv6Addr, u8); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Left-aligned in 128 bits, so that prefixes of both families count from the same end.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()).wrapping_shl(96),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn masked(address: IpAddr, prefix: u8) -> u128 {
    let hidden = 128_u32.saturating_sub(u32::from(prefix));
    let mask = u128::MAX.checked_shl(hidden).unwrap_or(0);
    bits(address) & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(policy: &EgressPolicy, address: &str) -> bool {
        policy.permits("host.example", 443, address.parse().unwrap())
    }

    #[test]
    fn only_public_addresses_without_an_exception() {
        let policy = EgressPolicy::default();
        for public in [
            "8.8.8.8",
            "1.1.1.1",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
        ] {
            assert!(permits(&policy, public), "{public}");
        }
        let special = [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.1",
            "198.18.0.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2001::1",
            "64:ff9b::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
        ];
        for special in special {
            assert!(!permits(&policy, special), "{special}");
        }
    }

    #[test]
    fn exceptions_name_a_network_or_a_host() {
        let allow = vec!["10.1.0.0/16".parse().unwrap(), "Login.internal:8443".parse().unwrap()];
        let policy = EgressPolicy { allow, ..EgressPolicy::default() };
        assert!(permits(&policy, "10.1.255.1") && !permits(&policy, "10.2.0.1") && !permits(&policy, "::1"));
        let loopback = "127.0.0.1".parse().unwrap();
        assert!(policy.permits("login.internal", 8443, loopback));
        assert!(!policy.permits("login.internal", 443, loopback));
        assert!(!policy.permits("other.internal", 8443, loopback));
    }

    #[test]
    fn link_local_has_no_exception() {
        let allow = vec![
            "169.254.0.0/16".parse().unwrap(),
            "fe80::/10".parse().unwrap(),
            "fd00::/8".parse().unwrap(),
            "host.example:443".parse().unwrap(),
        ];
        let policy = EgressPolicy { allow, allow_loopback: true, allow_private: true };
        for never in
            ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "fd00:ec2::254", "0.0.0.0", "224.0.0.1"]
        {
            assert!(!permits(&policy, never), "{never}");
        }
        assert!(
            permits(&policy, "127.0.0.1") && permits(&policy, "192.168.0.1") && permits(&policy, "fd00::1")
        );
    }

    #[test]
    fn entries_have_one_form() {
        for good in ["10.0.0.0/8", "fd00::/8", "login.internal:443", "[::1]:8443", "127.0.0.1:9"] {
            assert_eq!(good.parse::<AllowEntry>().unwrap().to_string(), good);
        }
        for bad in ["10.0.0.1/8", "10.0.0.0/33", "host", "host:0", "host:x", ":443", "a b:1", "1.2.3/8"] {
            assert_eq!(bad.parse::<AllowEntry>(), Err(AllowError(bad.to_owned())));
        }
    }
}
