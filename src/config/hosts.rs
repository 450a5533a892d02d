//! Hosts: whom such a list as `allow_hosts` lets `http_request` call, and whom of them without encryption.
//!
//! `workflow::check` reads the list, `connector` asks here before each call. Invariant: only what the list names so, and
//! what no other network sees, is called without encryption.

/// What stands before a host of `allow_hosts` that may be called without encryption.
pub const PLAIN: &str = "http://";

/// Whether a host stands in such a list as `allow_hosts`, by name or address.
pub fn is_listed(hosts: &[String], host: &str) -> bool {
    hosts.iter().any(|listed| fits(listed.strip_prefix(PLAIN).unwrap_or(listed), host))
}

/// Whether such a list says that a host may be called without encryption.
pub fn is_listed_plain(hosts: &[String], host: &str) -> bool {
    hosts.iter().filter_map(|listed| listed.strip_prefix(PLAIN)).any(|listed| fits(listed, host))
}

fn fits(listed: &str, host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    match listed.strip_prefix('*') {
        Some(domain) => host.len() > domain.len() && host.ends_with(domain),
        None => host == listed,
    }
}

/// Whether a host is this machine.
pub fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<core::net::IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

/// Whether a host is this machine, or an address that only its own network reaches: what goes there is seen by nobody else.
fn is_near(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<core::net::IpAddr>().map(|address| address.to_canonical()) {
        Ok(core::net::IpAddr::V4(address)) => address.is_loopback() || address.is_private(),
        Ok(core::net::IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

/// Whether a host of such a list may be called by addresses with this scheme: `https` always, `http` where the list says so,
/// and within the own network.
pub fn allows_scheme(hosts: &[String], scheme: &str, host: &str) -> bool {
    scheme == "https" || (scheme == "http" && (is_near(host) || is_listed_plain(hosts, host)))
}
