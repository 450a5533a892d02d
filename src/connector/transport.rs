//! Transport: how requests get to where they go: over the network, or to a router of this process, for tests and
//! previews of a project, and for `dev`. A closed choice, made once for a client.
//!
//! Invariant: the router sees what the network would have carried; who asks cannot tell the two apart.

use crate::config::is_this_machine;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::HOST;
use axum::http::{HeaderValue, Request, Response as HttpResponse};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, Response};

/// More than any of our readers takes.
const MOST_OF_AN_ANSWER: usize = 8 * 1024 * 1024;

/// How requests get to where they go. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub enum Transport {
    #[default]
    Network,
    /// To a router of this process; no socket is opened.
    Here(Here),
    /// To what stands on this machine over its network, and for every other host to a router of this process.
    ThisMachine(Here),
}

/// A router of this process that answers, and the headers that every request to it has.
#[derive(Debug, Clone)]
pub struct Here {
    router: Router,
    headers: HeaderMap,
}

impl Transport {
    /// To `router`, whatever host is named.
    pub fn here(router: Router) -> Self {
        Self::with_headers(router, HeaderMap::new())
    }

    /// As [`Transport::here`], but what stands on this machine is really called.
    pub fn this_machine(router: Router) -> Self {
        Self::ThisMachine(Here { router, headers: HeaderMap::new() })
    }

    /// As [`Transport::here`], with headers that a client adds by itself.
    pub(super) fn with_headers(router: Router, headers: HeaderMap) -> Self {
        Self::Here(Here { router, headers })
    }

    /// Carries a request that `http` built.
    pub(super) async fn carry(&self, http: &Client, request: RequestBuilder) -> reqwest::Result<Response> {
        match self {
            Self::Network => request.send().await,
            Self::Here(_) | Self::ThisMachine(_) => self.carry_built(http, request.build()?).await,
        }
    }

    /// As [`Transport::carry`], for a request that is ready.
    pub(super) async fn carry_built(&self, http: &Client, request: reqwest::Request) -> reqwest::Result<Response> {
        match self {
            Self::Network => http.execute(request).await,
            Self::ThisMachine(_) if request.url().host_str().is_some_and(is_this_machine) => {
                http.execute(request).await
            }
            Self::Here(here) | Self::ThisMachine(here) => here.answer(request).await,
        }
    }
}

impl Here {
    async fn answer(&self, request: reqwest::Request) -> reqwest::Result<Response> {
        let mut request = Request::<reqwest::Body>::try_from(request)?;
        let host = request.uri().host().and_then(|host| HeaderValue::from_str(host).ok());
        let headers = request.headers_mut();
        for (name, value) in &self.headers {
            headers.entry(name).or_insert_with(|| value.clone());
        }
        headers.entry(HOST).or_insert(host.unwrap_or(HeaderValue::from_static("localhost")));
        let answered = TowerToHyperService::new(self.router.clone()).call(request.map(Body::new)).await;
        let (parts, body) = match answered {
            Ok(response) => response.into_parts(),
        };
        // A router of ours does not break off in the middle.
        let bytes = to_bytes(body, MOST_OF_AN_ANSWER).await.unwrap_or_default();
        Ok(Response::from(HttpResponse::from_parts(parts, bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderMap as Headers;
    use axum::routing::post;

    #[tokio::test]
    async fn a_router_of_this_process_gets_what_the_network_would_carry() {
        let echo = async |headers: Headers, body: String| {
            let word = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-").to_owned();
            format!("{} {} {body}", word("host"), word("authorization"))
        };
        let headers = HeaderMap::from_iter([(reqwest::header::AUTHORIZATION, HeaderValue::from_static("Bearer t"))]);
        let transport = Transport::with_headers(Router::new().route("/v1/x", post(echo)), headers);
        crate::connector::install_crypto();
        let http = Client::new();
        let answer = transport.carry(&http, http.post("http://localhost/v1/x?a=b").body("hello")).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.text().await.unwrap().as_str()),
            (200, "localhost Bearer t hello")
        );
        let missing = transport.carry(&http, http.get("http://localhost/else")).await.unwrap();
        assert_eq!(missing.status().as_u16(), 404);
    }
}
