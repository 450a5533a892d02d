//! Listener: connections in, bounded in number and time; at the end, what is open may end.
//!
//! ```text
//! accept ─► place free? ─► HTTP/1 ─► front ─► router
//!                            └─ stop: no further request on this connection
//! ```
//! Invariant: a request that began to be served is finished before [`serve`] returns, unless it takes longer than
//! [`Limits::drain`].

use super::auth::network;
use super::front::{self, Caller};
use super::limits::{self, Limits};
use crate::config::Proxies;
use crate::trigger::webhook::MOST_HEADER_BYTES;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use axum::response::IntoResponse as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service as _;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// Room for heads that are answered 413 by [`limits`]; larger ones are cut off with 431.
const MOST_BUFFERED: usize = 2 * MOST_HEADER_BYTES;
/// How long a slow client may take to hear that it was too slow.
const LAST_WORD: Duration = Duration::from_secs(1);
/// When the machine has no more files to open, waiting helps and spinning does not.
const AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(100);

/// Serves until `shutdown`, then lets open requests end.
///
/// # Errors
/// When the listener has no address.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    serve_behind(listener, router, Proxies::default(), Limits::default(), shutdown).await
}

/// As [`serve`], behind load balancers and with limits of one's own.
///
/// # Errors
/// As [`serve`].
pub async fn serve_behind(
    listener: TcpListener,
    router: Router,
    proxies: Proxies,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    let listen = listener.local_addr()?;
    let (stop, stopping) = watch::channel(false);
    let places = Places::new(&limits, proxies);
    let service = TowerToHyperService::new(router);
    let mut open = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = open.join_next() => continue,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, place)) = accepted else { continue };
        let caller = Caller { peer: place.peer, listen };
        let (service, stopping) = (service.clone(), stopping.clone());
        open.spawn(async move {
            converse(stream, service, caller, limits.header_read, stopping).await;
            drop(place);
        });
    }
    drop(listener);
    stop.send_replace(true);
    let ended = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain, ended).await.is_err() {
        tracing::warn!("requests were still open when the server stopped");
    }
    Ok(())
}

/// The next connection that has a place; `None` when there was none to be had.
async fn accept(listener: &TcpListener, places: &Places) -> Option<(TcpStream, Place)> {
    let permit = places.free.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, places.take(peer, permit)?)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(AFTER_FAILED_ACCEPT).await;
            None
        }
    }
}

/// Serves the requests of one connection.
async fn converse(
    stream: TcpStream,
    router: TowerToHyperService<Router>,
    caller: Caller,
    header_read: Duration,
    mut stopping: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request| answer(router.clone(), caller, request));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_read)
        .max_buf_size(MOST_BUFFERED)
        .serve_connection(TokioIo::new(stream), service);
    let told_to_stop = async { stopping.wait_for(|stop| *stop).await.is_ok() };
    let ended = tokio::select! {
        ended = &mut connection => ended,
        _ = told_to_stop => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    let Err(error) = ended else { return };
    let parts = connection.into_parts();
    // An idle connection is closed without a word: its client may be writing its next request just now.
    if error.is_timeout() && !parts.read_buf.is_empty() {
        let _ = tokio::time::timeout(LAST_WORD, say_too_slow(parts.io.into_inner())).await;
    }
}

/// What hyper leaves to us when the headers do not arrive in time.
async fn say_too_slow(mut stream: TcpStream) {
    let body = "{\"error\":\"the headers did not arrive in time\",\"hint\":\"send headers and body without a pause\"}";
    let head = "HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length:";
    let _ = stream.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn answer(
    router: TowerToHyperService<Router>,
    caller: Caller,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let checked = match front::proves_itself(request.uri()) {
        true => Ok(()),
        false => caller
            .check_names(request.method(), request.headers())
            .and_then(|()| limits::check_headers(request.headers())),
    };
    let mut response = match checked {
        Ok(()) => {
            request.extensions_mut().insert(caller);
            router.call(request).await?
        }
        Err(refusal) => refusal.into_response(),
    };
    front::secure(response.headers_mut());
    Ok(response)
}

/// Who is connected, counted by address.
struct Places {
    free: Arc<Semaphore>,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most_per_address: usize,
    proxies: Proxies,
}

/// One connection's place, given back when dropped.
struct Place {
    peer: std::net::SocketAddr,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    fn new(limits: &Limits, proxies: Proxies) -> Self {
        Self {
            free: Arc::new(Semaphore::new(limits.connections)),
            by_address: Arc::default(),
            most_per_address: limits.connections_per_address,
            proxies,
        }
    }

    /// `None` when the address has as many connections as one may have.
    fn take(&self, peer: std::net::SocketAddr, permit: OwnedSemaphorePermit) -> Option<Place> {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_address.entry(network(peer.ip())).or_insert(0);
        if *count >= self.most_per_address && !self.proxies.stand_at(peer.ip()) {
            return None;
        }
        *count += 1;
        Some(Place { peer, by_address: self.by_address.clone(), _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_address.get_mut(&network(self.peer.ip())) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&network(self.peer.ip()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    #[tokio::test]
    async fn an_address_has_so_many_connections_and_no_more_and_gets_their_places_back() {
        let limits = Limits { connections: 8, connections_per_address: 2, ..Limits::default() };
        let places = Places::new(&limits, Proxies::default());
        let take = |peer: &str| {
            let permit = places.free.clone().try_acquire_owned().ok()?;
            places.take(SocketAddr::new(peer.parse().unwrap(), 1), permit)
        };
        let first = take("192.0.2.1").unwrap();
        let second = take("192.0.2.1").unwrap();
        assert!(take("192.0.2.1").is_none() && take("::ffff:192.0.2.1").is_none(), "however it is written");
        let other = take("192.0.2.2").unwrap();
        let in_one_network = [take("2001:db8::1").unwrap(), take("2001:db8::2").unwrap()];
        assert!(take("2001:db8::3").is_none(), "who owns an IPv6 address owns its /64");
        drop(second);
        let again = take("192.0.2.1").unwrap();
        // A proxy on this machine speaks for everybody; the number of all connections is bounded all the same.
        let of_proxy: Vec<Place> = std::iter::from_fn(|| take("127.0.0.1")).collect();
        assert_eq!(of_proxy.len(), 3);
        drop((first, other, in_one_network, again, of_proxy));
        assert!(places.by_address.lock().unwrap().is_empty(), "nobody who left is remembered");
        assert_eq!(places.free.available_permits(), 8);
    }
}
