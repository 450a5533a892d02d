//! The page of `relance dev` in a real browser: an order becomes a bubble, 25 hours later the template.
//!
//! Everything is real: the binary, its sandbox, Chromium. Waits are bounded; processes are ended by their id.

use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);
/// Ana, of the sample `order.paid`.
const ANA: &str = "34600000001";

/// A process that is ended with the test: asked first, so that the driver ends its browser, then made to.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        for _ in 0..100 {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `relance dev` on a copy of the example project.
struct Dev {
    _process: Running,
    url: String,
    project: TempDir,
}

impl Dev {
    fn start() -> Self {
        let project = example();
        let mut command = Command::new(env!("CARGO_BIN_EXE_relance"));
        command.arg("-C").arg(project.path()).args(["dev", "--no-open", "--port", "0", "--at", "2026-03-03T10:30"]);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let process = Running(child);
        let line = first_line_with(stderr, "page: ").expect("`relance dev` tells the address of its page");
        let url = line.trim().strip_prefix("page: ").unwrap().trim_end_matches('/').to_owned();
        Self { _process: process, url, project }
    }
}

/// The example project at the root of this crate.
fn example() -> TempDir {
    let (root, copy) = (Path::new(env!("CARGO_MANIFEST_DIR")), tempfile::tempdir().unwrap());
    for name in ["relance.yaml", "templates.yaml", "templates.lock.json"] {
        fs::copy(root.join(name), copy.path().join(name)).unwrap();
    }
    copy_folder(&root.join("workflows"), &copy.path().join("workflows"));
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copy = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy_folder(&path, &copy),
            false => fs::copy(&path, &copy).map(|_| ()).unwrap(),
        }
    }
}

/// Waits for a line of a process; what it says afterwards is read and forgotten. `None`: it ended, or is silent.
fn first_line_with(output: impl Read + Send + 'static, wanted: &'static str) -> Option<String> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if line.contains(wanted) {
                let _ = tell.send(line);
            }
        }
    });
    told.recv_timeout(PATIENCE).ok()
}

/// The driver, and its port. It takes a port that is free for one kind of address and ends when the other kind's is not.
fn start_driver() -> Option<(Running, String)> {
    let mut command = Command::new(needed("RELANCE_TEST_CHROMEDRIVER"));
    let mut child = command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let stdout = child.stdout.take().unwrap();
    let process = Running(child);
    let line = first_line_with(stdout, "started successfully on port ")?;
    let port = line.trim().trim_end_matches('.').rsplit(' ').next()?.to_owned();
    Some((process, port))
}

fn needed(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: `tests/run` sets it"))
}

/// Chromium, driven.
pub(crate) struct Browser {
    pub(crate) client: Client,
    driver: String,
    _process: Running,
    _profile: TempDir,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let started = (0..3).find_map(|_| start_driver());
        let (process, port) = started.expect("the driver of Chromium starts");
        let driver = format!("http://127.0.0.1:{port}");
        let profile = tempfile::tempdir().unwrap();
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let client = builder.capabilities(capabilities(profile.path())).connect(&driver).await.unwrap();
        Self { client, driver, _process: process, _profile: profile }
    }

    /// The element, once it is there.
    pub(crate) async fn see(&self, css: &str) -> Element {
        let wait = self.client.wait().at_most(PATIENCE).every(Duration::from_millis(50));
        wait.for_element(Locator::Css(css)).await.unwrap_or_else(|error| panic!("`{css}` never appeared: {error}"))
    }

    /// Waits for an element of that kind with that text inside.
    pub(crate) async fn see_text(&self, css: &str, text: &str) {
        let script =
            "return [...document.querySelectorAll(arguments[0])].some(e => e.textContent.includes(arguments[1]))";
        self.see_that(script, vec![json!(css), json!(text)], &format!("`{css}` with `{text}`")).await;
    }

    pub(crate) async fn see_that(&self, script: &str, arguments: Vec<Value>, what: &str) {
        let attempts = PATIENCE.as_millis() / 50;
        for _ in 0..attempts {
            if self.client.execute(script, arguments.clone()).await.unwrap() == json!(true) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{what} never appeared");
    }

    pub(crate) async fn click(&self, css: &str) {
        self.act(css, async |element| element.click().await).await;
    }

    pub(crate) async fn write(&self, css: &str, text: &str) {
        let write = async |element: Element| {
            element.clear().await?;
            element.send_keys(text).await
        };
        self.act(css, write).await;
    }

    pub(crate) async fn choose(&self, css: &str, value: &str) {
        self.act(css, async |element| element.select_by_value(value).await).await;
    }

    /// Acts on an element; again on the one in its place when the page was drawn anew between the look and the act.
    async fn act(&self, css: &str, act: impl AsyncFn(Element) -> Result<(), CmdError>) {
        let attempts = PATIENCE.as_millis() / 50;
        for _ in 0..attempts {
            match act(self.see(css).await).await {
                Ok(()) => return,
                Err(error) if error.is_stale_element_reference() => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => panic!("`{css}`: {error}"),
            }
        }
        panic!("`{css}` does not stand still");
    }

    /// Errors in the browser's console: broken scripts, and everything the content security policy blocked.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let session = self.client.session_id().await.unwrap().unwrap();
        relance::connector::install_crypto();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = http.post(format!("{}/session/{session}/se/log", self.driver)).json(&json!({"type": "browser"}));
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        let lines = answer["value"].as_array().unwrap().iter();
        lines.filter(|line| line["level"] == "SEVERE").map(|line| line["message"].to_string()).collect()
    }
}

fn capabilities(profile: &Path) -> Capabilities {
    let mut arguments: Vec<String> = [
        "headless",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "window-size=1280,900",
        "accept-lang=en",
    ]
    .map(|argument| format!("--{argument}"))
    .to_vec();
    arguments.push(format!("--user-data-dir={}", profile.display()));
    let wanted = json!({
        "goog:chromeOptions": { "binary": needed("RELANCE_TEST_CHROMIUM"), "args": arguments },
        "goog:loggingPrefs": { "browser": "ALL" },
    });
    wanted.as_object().unwrap().clone()
}

#[tokio::test]
async fn an_order_becomes_a_bubble_and_25_hours_later_the_template() {
    let dev = Dev::start();
    let browser = Browser::start().await;
    browser.client.goto(&dev.url).await.unwrap();

    browser.choose("#event", "order.paid").await;
    let offered = "return document.getElementById('data').value.includes(arguments[0])";
    browser.see_that(offered, vec![json!("ord_7f31c2")], "the sample").await;
    browser.click("#send-event").await;
    let (ours, theirs) = (format!("#phone-{ANA} .bubble.ours"), format!("#phone-{ANA} .bubble.theirs"));
    browser.see_text(&ours, "we received your payment of €129.90").await;
    browser.see_text("#runs .run", "Order paid").await;
    assert!(
        browser.client.find(Locator::Css(&format!("{ours} .label"))).await.is_err(),
        "inside the window: no template"
    );

    // The next order has another number, and a day later the window is closed.
    browser.see_that(offered, vec![json!("ord_7f31c3")], "a fresh order").await;
    browser.click("#ahead button[value='1500']").await;
    browser.see(&format!("#phone-{ANA} .window.closed")).await;
    browser.click("#send-event").await;
    browser.see_text(&format!("{ours} .label"), "template").await;
    browser.see(&format!("{ours} .tick.read")).await;

    // The customer writes: the window is open again, and a workflow answers in plain text.
    browser.write(&format!("#text-{ANA}"), "What is the price?").await;
    browser.click(&format!("#reply-{ANA} button")).await;
    browser.see_text(&theirs, "What is the price?").await;
    browser.see_text(&ours, "Here is our price list").await;
    browser.see(&format!("#phone-{ANA} .window.open")).await;

    a_mistake_is_shown_where_it_is(&dev, &browser).await;
    the_page_speaks_french_and_fits_a_phone(&dev, &browser).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    nobody_else_moves_the_clock(&dev).await;
    browser.client.close().await.unwrap();
}

/// A saved file is read again; the others keep serving.
async fn a_mistake_is_shown_where_it_is(dev: &Dev, browser: &Browser) {
    let file = dev.project.path().join("workflows/order_paid.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("if: event.total > 0", "if: event.totl > 0")).unwrap();
    browser.see_text(".mistakes .place", "workflows/order_paid.yaml:").await;
    browser.see_text(".mistakes mark", "event.totl").await;
    fs::write(&file, text).unwrap();
    browser.see_that("return document.querySelector('.mistakes') === null", vec![], "a page without mistakes").await;
}

async fn the_page_speaks_french_and_fits_a_phone(dev: &Dev, browser: &Browser) {
    browser.client.goto(&format!("{}/?lang=fr", dev.url)).await.unwrap();
    browser.see("html[lang=fr]").await;
    browser.see_text("#send-event", "Déclencher").await;
    browser.client.set_window_size(500, 844).await.unwrap();
    let fits = "return document.documentElement.scrollWidth <= window.innerWidth";
    browser.see_that(fits, vec![], "a page without a horizontal bar").await;
}

/// Another page of the same browser knows neither the token nor our origin.
async fn nobody_else_moves_the_clock(dev: &Dev) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = |origin: &str| {
        let request = http.post(format!("{}/clock", dev.url)).header("origin", origin.to_owned());
        request.header("content-type", "application/x-www-form-urlencoded").body("minutes=60").send()
    };
    assert_eq!(ask("http://evil.example").await.unwrap().status(), 403);
    assert_eq!(ask(&dev.url).await.unwrap().status(), 403, "without the token of this start");
}
