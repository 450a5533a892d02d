//! Fetch: HTTP to addresses that others named, through the guard: files of customers, targets of the relay.
//!
//! ```text
//! address ─► guard (literal) ─► resolver ─► guard (every answer) ─► the very addresses that are dialled
//! ```
//! Never with the account's token. Invariant: no redirect is followed and no proxy is asked, so the host that was
//! checked is the host that answers.

use super::guard::{Guard, REFUSED};
use super::{client, describe};
use anyhow::Context as _;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Response, Url};
use sha2::{Digest as _, Sha256};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client for addresses that others named. Cloning shares its connections.
#[derive(Debug, Clone)]
pub struct Fetcher {
    http: Client,
    guard: Guard,
}

impl Fetcher {
    /// `total`: how long a whole exchange may take.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(guard: Guard, total: Duration) -> anyhow::Result<Self> {
        let http = client::builder()?
            .user_agent(concat!("relance/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .dns_resolver(Arc::new(Guarded(guard)))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(total)
            .build()
            .context("cannot set up the HTTP client")?;
        Ok(Self { http, guard })
    }

    /// The client and the address, once the guard has let it pass.
    ///
    /// # Errors
    /// A sentence for people, without the address.
    pub(super) fn open(&self, url: &str) -> Result<(&Client, Url), String> {
        let url = Url::parse(url).map_err(|_| "the address cannot be read".to_owned())?;
        self.guard.check(url.scheme(), url.host_str().unwrap_or_default())?;
        Ok((&self.http, url))
    }
}

/// A file that was fetched: it lies in the folder under its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    pub content_type: Option<String>,
    pub size: u64,
    /// SHA-256, hex.
    pub hash: String,
}

/// Why a file was not fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotFetched {
    /// In words, without the address.
    pub why: String,
    /// Whether it may go better a moment later.
    pub passing: bool,
}

impl Fetcher {
    /// Fetches a file of at most `most` bytes into `folder`, by way of the new file `draft` there. Whatever happens, the
    /// draft is gone afterwards, and a file under a hash is whole.
    ///
    /// # Errors
    /// When it is refused, too large, not answered, or the disk does not take it.
    pub async fn fetch(&self, url: &str, most: u64, folder: &Path, draft: &str) -> Result<Fetched, NotFetched> {
        let lasting = |why: String| NotFetched { why, passing: false };
        let (http, url) = self.open(url).map_err(lasting)?;
        let mut response = http.get(url).send().await.map_err(|error| {
            let why = words(error);
            NotFetched { passing: why != REFUSED, why }
        })?;
        let status = response.status();
        if !status.is_success() {
            let passing = status.is_server_error() || status.as_u16() == 429;
            return Err(NotFetched { why: format!("answered {}", status.as_u16()), passing });
        }
        if response.content_length().is_some_and(|length| length > most) {
            return Err(lasting(too_large(most)));
        }
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.map(str::to_owned);
        let draft = folder.join(draft);
        let written = write(&mut response, most, &draft).await;
        let kept = match written {
            Ok((size, hash)) => {
                let renamed = tokio::fs::rename(&draft, folder.join(&hash)).await;
                renamed.map(|()| Fetched { content_type, size, hash }).map_err(|error| disk(&error))
            }
            Err(error) => Err(error),
        };
        if kept.is_err() {
            let _ = tokio::fs::remove_file(&draft).await;
        }
        kept
    }
}

/// Writes the body as it comes: its size and hash.
async fn write(response: &mut Response, most: u64, draft: &Path) -> Result<(u64, String), NotFetched> {
    let mut file = tokio::fs::File::create(draft).await.map_err(|error| disk(&error))?;
    let (mut size, mut sha) = (0, Sha256::new());
    let cut = |error| NotFetched { why: words(error), passing: true };
    while let Some(chunk) = response.chunk().await.map_err(cut)? {
        size += chunk.len() as u64;
        if size > most {
            return Err(NotFetched { why: too_large(most), passing: false });
        }
        sha.update(&chunk);
        file.write_all(&chunk).await.map_err(|error| disk(&error))?;
    }
    file.sync_all().await.map_err(|error| disk(&error))?;
    Ok((size, hex::encode(sha.finalize())))
}

fn too_large(most: u64) -> String {
    format!("larger than {} MiB", most / 1024 / 1024)
}

fn disk(error: &std::io::Error) -> NotFetched {
    NotFetched { why: format!("cannot be written: {error}"), passing: true }
}

/// What went wrong, in one line and without the address; a guarded address is said to be one.
pub(super) fn words(error: reqwest::Error) -> String {
    let said = describe(error);
    if said.contains(REFUSED) { REFUSED.to_owned() } else { said }
}

/// Milliseconds that a `Retry-After` in seconds asks for; a date is not understood, and asks for nothing.
pub(super) fn wait_ms(header: Option<&HeaderValue>) -> Option<i64> {
    let seconds: u32 = header?.to_str().ok()?.trim().parse().ok()?;
    Some(i64::from(seconds) * 1000)
}

/// Resolves a name, and refuses it when any of its addresses is closed: the next lookup could give that one.
struct Guarded(Guard);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if found.iter().all(|address| guard.allows(address.ip())) {
                return Ok(Box::new(found.into_iter()) as Addrs);
            }
            Err(REFUSED.into())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_of_this_machine_is_not_dialled_unless_it_is_allowed() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let dialled = tokio::spawn(async move { listener.accept().await.map(drop) });
        let ask = async |guard| {
            let fetcher = Fetcher::new(guard, Duration::from_secs(5)).unwrap();
            let (http, url) = fetcher.open(&url).unwrap();
            words(http.get(url).send().await.unwrap_err())
        };
        assert_eq!(ask(Guard::default()).await, REFUSED);
        assert!(!dialled.is_finished());
        assert_ne!(ask(Guard { loopback: true }).await, REFUSED);
        dialled.await.unwrap().unwrap();
    }

    #[test]
    fn a_literal_in_an_address_is_looked_at_in_every_notation() {
        let check = |guard: Guard, url: &str| {
            let url = Url::parse(url).unwrap();
            guard.check(url.scheme(), url.host_str().unwrap_or_default()).is_ok()
        };
        let closed = [
            "http://127.0.0.1/x",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::1]:80/",
            "http://0177.0.0.1/",
            "http://[::ffff:7f00:1]/",
            "https://10.0.0.1/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "data:,x",
        ];
        for url in closed {
            assert!(!check(Guard::default(), url), "{url}");
        }
        assert!(check(Guard::default(), "https://example.com/") && check(Guard::default(), "http://1.1.1.1/"));
        let local = Guard { loopback: true };
        assert!(check(local, "http://127.0.0.1:4010/") && check(local, "http://[::1]/"));
        assert!(!check(local, "http://10.0.0.1/") && !check(local, "http://169.254.169.254/"));
    }
}
