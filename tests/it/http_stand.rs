//! A server under test: real HTTP on loopback, a real SQLite file, time that stands still, a sandbox as the account.

use relance::clock::Clock;
use relance::config::{Environment, Files, Proxies, Secret};
use relance::connector::sandbox::{Sandbox, SandboxConfig};
use relance::connector::{Callbell, install_crypto};
use relance::engine::{Engine, Outside, Setup};
use relance::http::limits::Limits;
use relance::http::{self, App, Mode};
use relance::store::Store;
use relance::store::runs::RunFilter;
use relance::workflow::diagnostic::Severity;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// 2026-03-02 12:00 in Paris.
pub(crate) const NOON: i64 = 1_772_449_200_000;

// Canaries: none of these may come out anywhere.
pub(crate) const TOKEN: &str = "canary-admin-token";
pub(crate) const SHOP_SECRET: &str = "canary-shop-secret";
pub(crate) const BOOKING_TOKEN: &str = "canary-booking-token";
pub(crate) const URL_SECRET: &str = "canary-url-secret";
pub(crate) const SIGNING_SECRET: &str = "whsec_canary-signing-secret";
pub(crate) const CANARY: &str = "canary-";

const PROJECT: &str = "\
version: 1
name: Shop
settings: { timezone: Europe/Paris }
phone_region: FR
consent: everyone
allow_hosts: [api.example.com, http://desk.example.com]
sources:
  shop: { signature: hmac, header: X-Signature, secret: SHOP_SECRET, id: order.id }
  booking: { signature: none, path_token: BOOKING_TOKEN }
  silent: { signature: github, secret: NEVER_SET }
";

const PAID: &str = "\
name: Paid
purpose: utility
when: { webhook: order.paid }
contact: { phone: \"{{event.phone}}\", first_name: \"{{event.name}}\" }
if: event.total > 10
do:
  - send_message: { text: \"Hello {{contact.first_name}}, {{event.total}}\", outside_window: fail }
  - wait: 2h
  - stop: enough
";

const SAMPLE: &str = r#"{"phone":"0612340001","name":"Ana","total":12}"#;

const GREETING: &str = "\
name: Greeting
when: { message: any }
do:
  - send_message: { text: Bonjour }
";

/// How a [`Stand`] is set up; start from `Default`.
pub(crate) struct Wanted {
    pub(crate) mode: Mode,
    pub(crate) url_secret: bool,
    pub(crate) signing_secret: bool,
    pub(crate) limits: Limits,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { mode: Mode::Serve, url_secret: true, signing_secret: false, limits: Limits::default() }
    }
}

pub(crate) struct Stand {
    pub(crate) address: SocketAddr,
    pub(crate) engine: Engine,
    pub(crate) app: App,
    client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<anyhow::Result<()>>,
    _project: tempfile::TempDir,
}

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// The status; a refusal must say what is wrong and the way out.
    pub(crate) fn refused(&self) -> u16 {
        let body = self.json();
        for part in ["error", "hint"] {
            assert!(body[part].as_str().is_some_and(|text| !text.is_empty()), "{} without `{part}`", self.text);
        }
        self.status
    }
}

impl Stand {
    pub(crate) async fn new(mode: Mode) -> Self {
        Self::with(Wanted { mode, ..Wanted::default() }).await
    }

    pub(crate) async fn with(wanted: Wanted) -> Self {
        install_crypto();
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}?mode=rwc", folder.path().join("test.db").display());
        let clock = Clock::still(NOON);
        let setup = Setup {
            clock: clock.clone(),
            store: Store::open(&url).await.unwrap(),
            callbell: Some(sandbox(clock).await),
            root: folder.path().to_owned(),
            outside: Outside::default(),
            manner: relance::engine::Manner::default(),
        };
        let loaded = relance::workflow::load(&files());
        let grave = loaded.diagnostics.iter().find(|one| one.severity == Severity::Error);
        assert!(grave.is_none(), "{grave:?}");
        let engine = Engine::start(setup, &loaded.project.unwrap()).await.unwrap();
        let lookup = |name: &str| match name {
            "SHOP_SECRET" => Some(Secret::new(SHOP_SECRET)),
            "BOOKING_TOKEN" => Some(Secret::new(BOOKING_TOKEN)),
            _ => None,
        };
        let environment = Arc::new(environment(&wanted));
        let token = Secret::new(TOKEN);
        let app = App::with_limits(engine.clone(), environment, token, Arc::new(lookup), wanted.mode, wanted.limits);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async { stopped.await.unwrap_or_default() };
        let server = tokio::spawn(http::serve_behind(
            listener,
            http::router(app.clone()),
            Proxies::default(),
            wanted.limits,
            shutdown,
        ));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { address, engine, app, client, stop: Some(stop), server, _project: folder }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Answer {
        let request = headers
            .iter()
            .fold(self.request(Method::POST, path), |request, (name, value)| request.header(*name, *value));
        send(request.body(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    /// Asks the API with the admin token.
    pub(crate) async fn api(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path).bearer_auth(TOKEN)).await
    }

    /// An event of the source `shop`, signed.
    pub(crate) async fn shop(&self, event: &str, body: &str) -> Answer {
        self.post(
            &format!("/hooks/shop/{event}"),
            &[("x-signature", &signed(SHOP_SECRET, body.as_bytes()))],
            body.to_owned(),
        )
        .await
    }

    /// Writes bytes as they are, and reads until the server closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Announces a body, and sends nothing of it: the connection, and what the server said first. A 100 says that it
    /// waits for the body.
    pub(crate) async fn begin(&self, path: &str, length: usize) -> (TcpStream, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n",
            self.address
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut said = vec![0; 1024];
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut said)).await.unwrap().unwrap();
        (stream, String::from_utf8_lossy(&said[..read]).into_owned())
    }

    /// How many rows there are: events, runs.
    pub(crate) async fn rows(&self) -> (usize, usize) {
        let events = self.engine.store().latest_events(1000).await.unwrap().len();
        let filter = RunFilter { limit: 1000, ..RunFilter::default() };
        (events, self.engine.store().list_runs(&filter).await.unwrap().len())
    }

    /// Waits until what is open has ended.
    pub(crate) async fn join(self) -> anyhow::Result<()> {
        self.server.await.unwrap()
    }

    pub(crate) fn begin_to_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }
}

pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}

async fn sandbox(clock: Clock) -> Callbell {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sandbox = Sandbox::new(SandboxConfig::new(clock)).unwrap();
    tokio::spawn(axum::serve(listener, sandbox.router()).into_future());
    Callbell::new(&format!("http://{address}/v1"), Some(Secret::new("token"))).unwrap()
}

fn files() -> Files {
    let pairs = [
        ("relance.yaml", PROJECT),
        ("workflows/paid.yaml", PAID),
        ("workflows/samples/order.paid.json", SAMPLE),
        ("workflows/greeting.yaml", GREETING),
    ];
    pairs.map(|(path, text)| (path.to_owned(), text.to_owned())).into()
}

fn environment(wanted: &Wanted) -> Environment {
    Environment {
        callbell_token: None,
        callbell_base_url: None,
        callbell_webhook_secret: wanted.url_secret.then(|| Secret::new(URL_SECRET)),
        callbell_signing_secrets: wanted.signing_secret.then(|| Secret::new(SIGNING_SECRET)).into_iter().collect(),
        token: None,
        listen: String::new(),
        database_url: None,
        public_url: None,
        proxies: Proxies::default(),
        clock_offset_ms: 0,
    }
}

/// HMAC-SHA256 in hex.
pub(crate) fn signed(secret: &str, bytes: &[u8]) -> String {
    use hmac::{Hmac, Mac as _};
    let mut mac = <Hmac<sha2::Sha256>>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(bytes);
    hex::encode(mac.finalize().into_bytes())
}

/// The value of `X-Callbell-Signature`, made so many seconds ago.
pub(crate) fn callbell_signature(secret: &str, body: &str, age_s: u64) -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - age_s;
    format!("t={seconds},v1={}", signed(secret, format!("{seconds}.{body}").as_bytes()))
}
