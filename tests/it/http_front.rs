//! Promise: whatever is asked, the answer carries its security headers, foreign names are refused on loopback,
//! connections are bounded in time, and a server that stops finishes what it began.

use crate::http_stand::{Answer, Stand, TOKEN, Wanted, send};
use relance::http::Mode;
use relance::http::limits::Limits;
use reqwest::Method;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn assert_secured(answer: &Answer) {
    let header = |name: &str| answer.headers[name].to_str().unwrap();
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                  form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    assert_eq!(header("content-security-policy"), policy);
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!(header("cross-origin-opener-policy"), "same-origin");
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let stand = Stand::new(Mode::Serve).await;
    for path in ["/healthz", "/readyz", "/nowhere", "/api/runs", "/callbell/x", "/hooks/shop/a", "/hooks/none/a", "/"] {
        assert_secured(&stand.get(path).await);
        assert_secured(&stand.post(path, &[], "{").await);
    }
    assert_secured(&stand.api("/api/runs").await);
    assert_secured(&send(stand.request(Method::GET, "/healthz").header("host", "evil.example")).await);
    assert_eq!(stand.get("/nowhere").await.refused(), 404);
    assert_eq!(stand.post("/healthz", &[], "").await.refused(), 405);
}

#[tokio::test]
async fn on_loopback_only_our_own_names_are_answered() {
    let stand = Stand::new(Mode::Serve).await;
    let port = stand.address.port();
    let asked = async |host: &str, path: &str| {
        send(stand.request(Method::GET, path).header("host", host).bearer_auth(TOKEN)).await.status
    };
    for host in ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"] {
        assert_eq!(asked(&format!("{host}:{port}"), "/api/runs").await, 200, "{host}");
    }
    let foreign = [
        format!("evil.example:{port}"),
        "localhost".into(),
        "localhost:1".into(),
        format!("localhost.evil.example:{port}"),
    ];
    for host in foreign {
        for path in ["/api/runs", "/healthz", "/", "/nowhere"] {
            assert_eq!(asked(&host, path).await, 421, "{host} {path}");
        }
    }
    // Webhooks come through tunnels and proxies by any name, and prove who they are.
    assert_eq!(asked("hooks.shop.example", "/callbell").await, 200);
    let hook = stand.post("/hooks/shop/order.paid", &[("host", "hooks.shop.example")], "{}").await;
    assert_eq!(hook.refused(), 401);
    let nameless = stand.raw(b"GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(nameless.starts_with("HTTP/1.0 421 "), "{nameless}");
}

#[tokio::test]
async fn heads_that_are_too_large_or_too_slow_end_the_connection() {
    let limits = Limits { header_read: Duration::from_millis(500), ..Limits::default() };
    let stand = Stand::with(Wanted { limits, ..Wanted::default() }).await;
    let head = |bytes: usize| {
        let name = format!("host: 127.0.0.1:{}", stand.address.port());
        format!("GET /healthz HTTP/1.1\r\n{name}\r\nx: {}\r\nconnection: close\r\n\r\n", "x".repeat(bytes))
    };
    assert!(stand.raw(head(15_000).as_bytes()).await.starts_with("HTTP/1.1 200 "));
    assert!(stand.raw(head(17_000).as_bytes()).await.starts_with("HTTP/1.1 413 "));
    let cut_off = stand.raw(head(100_000).as_bytes()).await;
    let refused = ["HTTP/1.1 413 ", "HTTP/1.1 431 "].iter().any(|start| cut_off.starts_with(start));
    assert!(cut_off.is_empty() || refused, "{cut_off}");
    let slow = stand.raw(b"GET /healthz HTTP/1.1\r\nhost: ").await;
    assert!(slow.starts_with("HTTP/1.1 408 ") && slow.contains("\"hint\""), "{slow}");
    assert_eq!(stand.raw(b"").await, "", "an idle connection is closed without a word");
    assert!(stand.raw(b"\x16\x03\x01 no HTTP at all\r\n\r\n").await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn readyz_says_no_while_draining_and_healthz_stays() {
    let stand = Stand::new(Mode::Serve).await;
    assert_eq!(stand.get("/readyz").await.text, "{\"status\":\"ok\"}");
    stand.app.start_draining();
    assert_eq!(stand.get("/readyz").await.refused(), 503);
    assert_eq!(stand.get("/healthz").await.text, "{\"status\":\"ok\"}");
    assert_eq!(stand.shop("order.paid", "{}").await.status, 200, "events are taken in until the listener stops");
    assert!(*stand.app.draining().borrow());
}

#[tokio::test]
async fn a_server_that_stops_finishes_the_request_it_is_reading() {
    let mut stand = Stand::new(Mode::Serve).await;
    let mut stream = TcpStream::connect(stand.address).await.unwrap();
    let head = "POST /callbell/x HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 25];
    stream.read_exact(&mut told).await.unwrap();
    assert!(told.starts_with(b"HTTP/1.1 100 Continue"), "the request is under way");
    stand.begin_to_stop();
    stream.write_all(b"ping").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("{\"status\":\"ok\"}"), "{answer}");
    let address = stand.address;
    stand.join().await.unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
