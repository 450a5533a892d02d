//! A connection that hears hints: whoever is called is heard, and a server that is gone without a word is missed.

use super::{Database, Rig};
use crate::store::Silent;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Longer than a server that is there needs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Passes on what it reads, until the cable is cut: both ends are not told.
async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, cut: Arc<AtomicBool>) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if !cut.load(Ordering::SeqCst) && to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

/// The same address through a cable that can be cut.
async fn cable(url: &str) -> (String, Arc<AtomicBool>) {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (user, rest) = rest.rsplit_once('@').map_or(("", rest), |(user, rest)| (user, rest));
    let (server, database) = rest.split_once('/').unwrap();
    let (cut, server) = (Arc::new(AtomicBool::new(false)), server.to_owned());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap();
    let cuts = cut.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (from, to) = client.into_split();
            let (back, forth) = TcpStream::connect(&server).await.unwrap().into_split();
            tokio::spawn(pass(from, forth, cuts.clone()));
            tokio::spawn(pass(back, to, cuts.clone()));
        }
    });
    let user = if user.is_empty() { String::new() } else { format!("{user}@") };
    (format!("{scheme}://{user}{here}/{database}"), cut)
}

#[tokio::test]
async fn a_server_that_is_gone_without_a_word_is_missed_and_a_quiet_one_is_not() {
    let mut rig = Rig::new(Database::postgres()).await;
    let (url, cut) = cable(&rig.database.url).await;
    rig.store.url = url;
    let mut listener = rig.store.listen().await.unwrap().unwrap();
    let listening = tokio::spawn(async move {
        let first = listener.next(Duration::from_millis(5), PATIENCE).await.unwrap();
        (first, listener)
    });
    // Meanwhile it is quiet, and asked many times.
    tokio::time::timeout(Duration::from_millis(200), std::future::pending::<()>()).await.unwrap_err();
    assert!(!listening.is_finished(), "a quiet server is no lost one");
    let mut tx = rig.begin().await;
    tx.hint("other").await.unwrap();
    tx.commit().await.unwrap();
    let (first, mut listener) = listening.await.unwrap();
    assert_eq!(first, "other");
    cut.store(true, Ordering::SeqCst);
    let lost = listener.next(Duration::from_millis(5), Duration::from_millis(100)).await.unwrap_err();
    assert!(lost.is::<Silent>(), "{lost:#}");
}
