//! Client: what every HTTP client of ours has in common. TLS trusts whom the machine trusts, which is read once per process;
//! HTTP/1.1.
//!
//! Invariant: no request is made again or sent elsewhere than where it was addressed.

use anyhow::Context as _;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::sync::OnceLock;

/// Reading the machine's certificates takes milliseconds, and each client would do it again.
static TLS: OnceLock<ClientConfig> = OnceLock::new();

/// Makes TLS use the `ring` provider. Harmless when called again.
pub fn install_crypto() {
    // An error means that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client to be finished: deadlines, headers, proxies.
///
/// # Errors
/// When TLS cannot be set up.
pub(crate) fn builder() -> anyhow::Result<ClientBuilder> {
    let builder = Client::builder()
        .tls_backend_preconfigured(tls()?)
        .http1_only()
        .retry(reqwest::retry::never())
        .redirect(Policy::none())
        .referer(false);
    Ok(builder)
}

fn tls() -> anyhow::Result<ClientConfig> {
    if let Some(tls) = TLS.get() {
        return Ok(tls.clone());
    }
    install_crypto();
    let verified =
        ClientConfig::builder().with_platform_verifier().context("whom this machine trusts is not readable")?;
    let mut tls = verified.with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TLS.get_or_init(|| tls).clone())
}
