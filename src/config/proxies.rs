//! Proxies: the load balancers in front, by their addresses. Whoever comes through one has its address.
//!
//! Invariant: an address that is not listed, and not of this machine, is one caller.

use std::net::{IpAddr, Ipv6Addr};

/// Addresses behind which many callers stand; this machine's are always among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies(Vec<(Ipv6Addr, u32)>);

impl Proxies {
    /// Reads `10.0.0.5, 172.30.40.0/24, fd00::/8`.
    ///
    /// # Errors
    /// What is no address and no network, as the end of a sentence.
    pub(super) fn read(written: &str) -> Result<Self, String> {
        let parts = written.split(',').map(str::trim).filter(|part| !part.is_empty());
        let read = |part: &str| {
            network(part).ok_or_else(|| format!("is no list of addresses or networks, like `10.0.0.5`: `{part}`"))
        };
        parts.map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Whether many callers may stand behind this address.
    pub fn stand_at(&self, peer: IpAddr) -> bool {
        let bits = mapped(peer).to_bits();
        let within = |(network, length): &(Ipv6Addr, u32)| {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            bits & mask == network.to_bits() & mask
        };
        peer.to_canonical().is_loopback() || self.0.iter().any(within)
    }
}

/// Every address as one of the newer kind, so that there is one comparison.
fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// A network with the length of its prefix, as one of the newer kind.
fn network(part: &str) -> Option<(Ipv6Addr, u32)> {
    let (address, length) = match part.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
        None => (part, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let length = length.unwrap_or(longest);
    // A whole kind of addresses is everybody.
    (1..=longest).contains(&length).then(|| (mapped(address), 128 - longest + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_callers_stand_behind_what_is_listed_and_behind_this_machine_alone() {
        let proxies = Proxies::read(" 10.0.0.5, 172.30.40.0/24,fd00::/8, ").unwrap();
        let at = |ip: &str| proxies.stand_at(ip.parse().unwrap());
        for ip in ["10.0.0.5", "::ffff:10.0.0.5", "172.30.40.255", "fd12::1", "127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(at(ip), "{ip}");
        }
        for ip in ["10.0.0.6", "172.30.41.0", "fe00::1", "2001:db8::1", "192.0.2.1"] {
            assert!(!at(ip), "{ip}");
        }
        let nobody = Proxies::default();
        assert!(nobody.stand_at("127.0.0.1".parse().unwrap()) && !nobody.stand_at("10.0.0.5".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_told() {
        for wrong in ["balancer", "10.0.0.0/33", "10.0.0.0/0", "::/0", "10.0.0.0/", "10.0.0.5;10.0.0.6"] {
            assert!(Proxies::read(wrong).unwrap_err().contains(wrong), "{wrong}");
        }
    }
}
