//! Front: what holds for every request, whatever serves it: whose name it was asked by, and the headers of answers.
//!
//! On loopback a browser is the way in: a page of any site may post to this machine, or name its own host as
//! 127.0.0.1 (DNS rebinding). Invariant: what needs no secret answers only to our own names and our own pages.

use super::error::Refusal;
use super::gateway;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use std::net::SocketAddr;

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Who asks, and at which of our addresses; every request carries it as an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    pub peer: SocketAddr,
    pub listen: SocketAddr,
}

impl Caller {
    /// Whether only this machine can reach the server.
    pub fn is_local(&self) -> bool {
        self.listen.ip().is_loopback()
    }

    /// Refuses requests by foreign names, and changes asked by foreign pages, when only this machine can reach us.
    ///
    /// # Errors
    /// 421 for a foreign host, 403 for a foreign page.
    pub fn check_names(&self, method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
        if !self.is_local() {
            return Ok(());
        }
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let ours = |host: &str| is_our_host(host, self.listen.port());
        if !text(header::HOST).is_some_and(ours) {
            let hint =
                format!("ask http://127.0.0.1:{}, or set RELANCE_LISTEN to an address of its own", self.listen.port());
            return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, "the `Host` is none of this server's", hint));
        }
        let foreign = |origin: &str| !origin.strip_prefix("http://").is_some_and(ours);
        if !method.is_safe() && text(header::ORIGIN).is_some_and(foreign) {
            let hint = "only the server's own pages may change something from a browser";
            return Err(Refusal::new(StatusCode::FORBIDDEN, "the page that asks is another site's", hint));
        }
        Ok(())
    }
}

/// Refuses changes that a page of another site asks for. A browser says so itself, else its `Origin` is not the host it
/// asks; who is no browser says neither.
///
/// # Errors
/// 403 for a foreign page.
pub(super) fn check_page(method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text(header::HOST);
    let page = |origin: &str| {
        let named = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        named.is_some() && named == host
    };
    let ours = match (text(HeaderName::from_static("sec-fetch-site")), text(header::ORIGIN)) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => page(origin),
        (None, None) => true,
    };
    if method.is_safe() || ours {
        return Ok(());
    }
    let hint = "only the server's own pages may change something from a browser";
    Err(Refusal::new(StatusCode::FORBIDDEN, "the page that asks is another site's", hint))
}

/// `localhost`, `127.0.0.1` or `[::1]` with the port, which is left out when it is 80.
fn is_our_host(host: &str, port: u16) -> bool {
    let (name, given) = match host.rsplit_once(':') {
        Some((name, digits)) if !digits.ends_with(']') => (name, digits.parse().ok()),
        _ => (host, Some(80)),
    };
    let known = ["localhost", "127.0.0.1", "[::1]"].iter().any(|known| name.eq_ignore_ascii_case(known));
    known && given == Some(port)
}

/// Webhooks and callers of the gateway prove who they are by themselves, and reach us through tunnels and proxies by any
/// name.
pub(super) fn proves_itself(uri: &Uri) -> bool {
    let path = uri.path();
    path.starts_with("/hooks/")
        || path == "/callbell"
        || path.starts_with("/callbell/")
        || gateway::is_below(path)
        || path == gateway::DOCUMENT
}

/// The headers of every answer.
pub(super) fn secure(headers: &mut HeaderMap) {
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_another_site_changes_nothing_whatever_the_listener() {
        let refused = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            check_page(&Method::GET, &headers).unwrap();
            check_page(&Method::POST, &headers).is_err()
        };
        let host = ("host", "relance.example");
        assert!(!refused(&[host]) && !refused(&[host, ("origin", "https://relance.example")]));
        assert!(!refused(&[host, ("sec-fetch-site", "same-origin")]));
        for origin in ["https://evil.example", "null", "relance.example", "https://relance.example.evil.example"] {
            assert!(refused(&[host, ("origin", origin)]), "{origin}");
        }
        assert!(refused(&[host, ("sec-fetch-site", "same-site")]) && refused(&[("origin", "https://evil.example")]));
    }

    #[test]
    fn the_gateway_and_its_document_are_reached_by_any_name() {
        for (path, expected) in [("/v1/templates", true), ("/openapi.json", true), ("/api/runs", false), ("/", false)] {
            assert_eq!(proves_itself(&Uri::from_static(path)), expected, "{path}");
        }
    }

    #[test]
    fn only_the_names_of_this_machine_with_the_port_are_ours() {
        for host in ["localhost:4000", "LocalHost:4000", "127.0.0.1:4000", "[::1]:4000"] {
            assert!(is_our_host(host, 4000), "{host}");
        }
        for host in ["", "localhost", "127.0.0.1", "[::1]", "[::1", "localhost:", "localhost:4001", "evil.example:4000"]
        {
            assert!(!is_our_host(host, 4000), "{host}");
        }
        for host in ["localhost.evil.example:4000", "127.0.0.1.nip.io:4000", "localhost:4000@evil", "::1:4000", "?"] {
            assert!(!is_our_host(host, 4000), "{host}");
        }
        assert!(is_our_host("localhost", 80) && is_our_host("[::1]", 80));
    }
}
