//! Guard: what changes something came from this very page (`semantics.md` S11).
//!
//! Invariant: a request that changes anything carries the token of this start and, as its origin, the host it asks.

use super::Dev;
use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq as _;

/// The header that htmx adds to each request of the page.
pub(super) const TOKEN_HEADER: &str = "x-relance-token";

/// Lets reads through, and changes that this page asked for.
pub(super) async fn refuse_foreign_changes(State(dev): State<Dev>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads || (same_origin(request.headers()) && token_fits(request.headers(), &dev.token)) {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "only the page itself may do this: reload it\n").into_response()
}

fn same_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    match (text(ORIGIN), text(HOST)) {
        (Some(origin), Some(host)) => origin.strip_prefix("http://") == Some(host),
        _ => false,
    }
}

fn token_fits(headers: &HeaderMap, token: &str) -> bool {
    headers.get(TOKEN_HEADER).is_some_and(|shown| shown.as_bytes().ct_eq(token.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_the_host_itself_is_the_same_origin() {
        let same = |pairs: &[(&'static str, &'static str)]| same_origin(&headers(pairs));
        assert!(same(&[("origin", "http://127.0.0.1:4000"), ("host", "127.0.0.1:4000")]));
        assert!(!same(&[("origin", "http://evil.example"), ("host", "127.0.0.1:4000")]));
        assert!(!same(&[("origin", "https://127.0.0.1:4000"), ("host", "127.0.0.1:4000")]));
        assert!(!same(&[("origin", "null"), ("host", "127.0.0.1:4000")]));
        assert!(!same(&[("host", "127.0.0.1:4000")]));
    }

    #[test]
    fn the_token_has_to_be_the_one_of_this_start() {
        assert!(token_fits(&headers(&[(TOKEN_HEADER, "abc")]), "abc"));
        assert!(!token_fits(&headers(&[(TOKEN_HEADER, "ab")]), "abc"));
        assert!(!token_fits(&headers(&[]), "abc"));
    }
}
