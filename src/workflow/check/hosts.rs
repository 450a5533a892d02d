//! Hosts: whom `http_request` may call, and that nothing filled in later can change it (R602). With `http://` before it a
//! host may be called without encryption.

use super::report::Report;
use super::values::{word_list, word_place};
use crate::config::{PLAIN, allows_scheme, is_listed};
use crate::expr::Text;
use crate::workflow::yaml::Entry;

/// `allow_hosts`: names or addresses, `*.example.com` for all below one.
pub(super) fn read_allowed(report: &mut Report, entry: &Entry) -> Vec<String> {
    let hosts = word_list(report, entry);
    hosts.into_iter().filter_map(|host| allowed(report, entry, &host)).collect()
}

fn allowed(report: &mut Report, entry: &Entry, host: &str) -> Option<String> {
    let written = host.get(..PLAIN.len()).filter(|scheme| scheme.eq_ignore_ascii_case(PLAIN));
    let listed = written.map_or(host, |scheme| &host[scheme.len()..]);
    let name = listed.strip_prefix("*.").unwrap_or(listed);
    if is_host(name) && (name == listed || name.contains('.')) {
        return Some(host.to_lowercase());
    }
    let bare = name.split_once("://").map_or(name, |(_, rest)| rest);
    let bare = bare.split(['/', ':', '?', '#']).next().unwrap_or_default();
    let hint = match is_host(bare) {
        true => format!("write the host alone: `{}`", bare.to_lowercase()),
        false => "write a host such as `api.example.com`, or `*.example.com` for all below it".to_owned(),
    };
    report.error("R205", word_place(entry, host), format!("`{host}` is not a host"), hint);
    None
}

/// A name or an address of a machine; one of version 6 in its brackets.
fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        return inner.strip_suffix(']').is_some_and(|address| address.parse::<core::net::Ipv6Addr>().is_ok());
    }
    let label = |label: &str| {
        let formed = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        formed && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

/// Why an address may not be called: the code, the sentence and the way out.
pub(super) type Refusal = (&'static str, String, String);

/// The scheme and the host of a request's address, in small letters.
///
/// # Errors
/// The address is none, or something that is filled in later could change where the call goes.
pub(super) fn host_of(url: &Text) -> Result<(String, String), Refusal> {
    let source = url.source();
    let fixed = &source[..source.find("{{").unwrap_or(source.len())];
    let Some((scheme, rest)) = fixed.split_once("://") else {
        return Err(match source.contains("://") || fixed.len() < source.len() {
            true => movable(),
            false => not_an_address(),
        });
    };
    if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
        return Err(not_an_address());
    }
    let end = rest.find(['/', '?', '#']);
    if end.is_none() && fixed.len() < source.len() {
        return Err(movable());
    }
    let authority = &rest[..end.unwrap_or(rest.len())];
    if authority.contains('@') {
        let hint = "send it in a header: `headers: { Authorization: \"Bearer {{secret.NAME}}\" }`".to_owned();
        return Err(("R601", "the address holds a user or password".to_owned(), hint));
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    match is_host(host) && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0)) {
        true => Ok((scheme.to_ascii_lowercase(), host.to_ascii_lowercase())),
        false => Err(not_an_address()),
    }
}

/// Whether `allow_hosts` lets a host be called with that scheme.
///
/// # Errors
/// The way out is the whole list as it would stand, so that nothing falls out of it.
pub(super) fn may_call(listed: &[String], scheme: &str, host: &str) -> Result<(), Refusal> {
    let bare = list_with(listed, host);
    let plain = list_with(listed, &format!("{PLAIN}{host}"));
    let (message, hint) = match (is_listed(listed, host), allows_scheme(listed, scheme, host)) {
        (true, true) => return Ok(()),
        (false, true) => (
            format!("`{host}` is not in `allow_hosts`"),
            format!("when it is meant, write it into `relance.yaml`: `allow_hosts: {bare}`"),
        ),
        (false, false) => (
            format!("`{host}` is not in `allow_hosts`"),
            format!(
                "when it is meant, write `https://` here, and into `relance.yaml`: `allow_hosts: {bare}`; \
                 when it has no encryption: `allow_hosts: {plain}`"
            ),
        ),
        (true, false) => (
            format!("`{host}` would be called without encryption"),
            format!("write `https://`; when it has none of it, into `relance.yaml`: `allow_hosts: {plain}`"),
        ),
    };
    Err(("R602", message, hint))
}

/// The list with one more host, in the place of the same host with encryption, as YAML.
fn list_with(listed: &[String], host: &str) -> String {
    let bare = host.strip_prefix(PLAIN).unwrap_or(host);
    let others = listed.iter().map(String::as_str).filter(|listed| *listed != bare);
    let written =
        others.chain([host]).map(|host| match host.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            true if !host.contains(':') => host.to_owned(),
            _ => format!("\"{host}\""),
        });
    format!("[{}]", written.collect::<Vec<_>>().join(", "))
}

fn movable() -> Refusal {
    let hint = "write them out, with a `/` before what is filled in: `https://api.example.com/orders/{{url event.id}}`";
    ("R602", "the beginning of an address, up to the first single `/`, cannot be filled in".to_owned(), hint.to_owned())
}

fn not_an_address() -> Refusal {
    let hint = "write the whole address: `https://api.example.com/orders`";
    ("R205", "this is not an http(s) address".to_owned(), hint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{host_of, list_with, may_call};
    use crate::expr::Text;

    fn told(url: &str) -> String {
        let host = host_of(&Text::parse(url).unwrap()).map(|(_, host)| host);
        host.unwrap_or_else(|(code, ..)| code.to_owned())
    }

    #[test]
    fn the_host_of_an_address_is_written_out() {
        for (url, host) in [
            ("https://api.example.com/a/{{url event.id}}?b={{event.b}}", "api.example.com"),
            ("HTTPS://API.Example.com", "api.example.com"),
            ("http://127.0.0.1:8080/x", "127.0.0.1"),
            ("http://[::1]:8080/x", "[::1]"),
            ("https://api.example.com?x={{event.a}}", "api.example.com"),
            ("{{event.url}}", "R602"),
            ("{{event.scheme}}://api.example.com/", "R602"),
            ("https://{{event.host}}/a", "R602"),
            ("https://api.example.com{{event.path}}", "R602"),
            ("https://api.example.com:{{event.port}}/", "R602"),
            ("https://api{{event.x}}.example.com/", "R602"),
            ("https://me:pw@api.example.com/", "R601"),
            ("https://me@evil.example/", "R601"),
            ("ftp://api.example.com/", "R205"),
            ("api.example.com/a", "R205"),
            ("https:///a", "R205"),
            ("https://api.example.com:99999/", "R205"),
            ("https://api.example.com\\@evil.example/", "R601"),
            ("https://api.example.com\\x/", "R205"),
            ("https://api example.com/", "R205"),
        ] {
            assert_eq!(told(url), host, "{url}");
        }
    }

    #[test]
    fn whoever_obeys_the_hint_may_call_and_nobody_falls_out_of_the_list() {
        let lists = [vec![], vec!["a.example.com"], vec!["*.example.org", "a.example.com", "[::2]"]];
        for listed in lists.map(|list| list.into_iter().map(str::to_owned).collect::<Vec<_>>()) {
            for (scheme, host) in [("https", "x.example"), ("http", "x.example"), ("http", "a.example.com")] {
                let Err((_, _, hint)) = may_call(&listed, scheme, host) else { panic!("{host} may be called") };
                let (_, list) = hint.rsplit_once("allow_hosts: ").unwrap();
                let list: Vec<String> = serde_json::from_str(&format!("[{}]", quoted(list))).unwrap();
                assert!(may_call(&list, scheme, host).is_ok(), "{hint}");
                let kept = |one: &&String| list.contains(one) || list.contains(&format!("http://{one}"));
                assert_eq!(listed.iter().filter(kept).count(), listed.len(), "{hint}");
            }
        }
        assert_eq!(list_with(&["*.example.org".into()], "[::1]"), r#"["*.example.org", "[::1]"]"#, "as YAML reads it");
        assert!(may_call(&["[::1]".into()], "http", "[::1]").is_ok());
    }

    /// The items of a list of YAML, each in quotation marks.
    fn quoted(list: &str) -> String {
        let inner = list.trim_end_matches('`').strip_prefix('[').and_then(|list| list.strip_suffix(']')).unwrap();
        let items: Vec<_> = inner.split(", ").map(|item| format!("\"{}\"", item.trim_matches('"'))).collect();
        items.join(", ")
    }
}
