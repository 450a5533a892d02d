//! Real processes of the real binary: each test has a folder, ports and a database of its own.
//!
//! A [`Site`] is one installation: a project copied to a temporary folder, a `relance serve`, and a `relance sandbox`
//! that plays Callbell. Every wait has an end ([`eventually`]); a [`Process`] is killed by its id when it is dropped,
//! and says what it wrote when the test failed.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// No wait is longer. Much longer than anything takes, because the machine may be busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(25);

/// Secrets of every site. They, and whatever looks like a phone number, must never reach a log.
pub(crate) const CALLBELL_TOKEN: &str = "canary-callbell-token";
pub(crate) const RELANCE_TOKEN: &str = "canary-admin-token-0123456789";
pub(crate) const WEBHOOK_SECRET: &str = "canary-webhook-secret";
pub(crate) const TILL_TOKEN: &str = "canary-till-token";

/// One installation.
pub(crate) struct Site {
    folder: TempDir,
    /// Variables of its processes; nothing else of the environment reaches them but `PATH`.
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) port: u16,
    pub(crate) sandbox_port: u16,
    pub(crate) http: reqwest::Client,
}

/// A running process of ours.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Site {
    /// A copy of `tests/projects/<name>`.
    pub(crate) fn of(name: &str) -> Self {
        Self::copy(&Path::new("tests/projects").join(name))
    }

    /// A copy of a project, by its path in the repository.
    pub(crate) fn copy(project: &Path) -> Self {
        relance::connector::install_crypto();
        let folder = TempDir::with_prefix("relance-it-").unwrap();
        copy_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join(project), folder.path());
        let (port, sandbox_port) = (free_port(), free_port());
        let env = [
            ("RELANCE_LISTEN", format!("127.0.0.1:{port}")),
            ("RELANCE_TOKEN", RELANCE_TOKEN.into()),
            ("CALLBELL_TOKEN", CALLBELL_TOKEN.into()),
            ("CALLBELL_BASE_URL", format!("http://127.0.0.1:{sandbox_port}/v1")),
            ("CALLBELL_WEBHOOK_SECRET", WEBHOOK_SECRET.into()),
            ("TILL_TOKEN", TILL_TOKEN.into()),
        ];
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
        Self { folder, env, port, sandbox_port, http }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.path().join(file), text).unwrap();
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.env.insert(name.to_owned(), value.into());
    }

    /// The binary on this site's project.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.arg("-C").arg(self.path()).args(args);
        command.env_clear().envs(&self.env).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, args: &[&str]) -> Said {
        self.run_within(PATIENCE, args).await
    }

    /// As [`Site::run`], for what takes long.
    pub(crate) async fn run_within(&self, patience: Duration, args: &[&str]) -> Said {
        self.run_reading(patience, args, Stdio::null()).await
    }

    /// As [`Site::run`], with something to read.
    pub(crate) async fn run_with(&self, args: &[&str], input: &str) -> Said {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), input).unwrap();
        self.run_reading(PATIENCE, args, file.reopen().unwrap().into()).await
    }

    async fn run_reading(&self, patience: Duration, args: &[&str], input: Stdio) -> Said {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let (out, err) = (self.path().join(format!(".{n}.out")), self.path().join(format!(".{n}.err")));
        let mut command = self.command(args);
        let command = command.stdin(input).stdout(File::create(&out).unwrap());
        let child = command.stderr(File::create(&err).unwrap()).spawn().unwrap();
        let mut process = Process { name: "command", child, log: err.clone() };
        let code = process.ended_within(patience).await;
        Said { code, stdout: fs::read_to_string(out).unwrap(), stderr: fs::read_to_string(err).unwrap() }
    }

    /// A command that is not waited for.
    pub(crate) fn start(&self, name: &'static str, args: &[&str]) -> Process {
        let log = self.path().join(format!(".{name}.log"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = self.command(args);
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        Process { name, child: command.spawn().unwrap(), log }
    }

    /// The fake Callbell; answers when this returns.
    pub(crate) async fn sandbox(&self) -> Process {
        self.sandbox_telling(self.port).await
    }

    /// As [`Site::sandbox`], its events going to that port.
    pub(crate) async fn sandbox_telling(&self, port: u16) -> Process {
        let listen = format!("127.0.0.1:{}", self.sandbox_port);
        let webhook = format!("http://127.0.0.1:{port}/callbell/{WEBHOOK_SECRET}");
        let mut process = self.start("sandbox", &["sandbox", "--listen", &listen, "--webhook", &webhook]);
        self.answers(&mut process, &format!("http://{listen}/sandbox/clock")).await;
        process
    }

    /// `relance serve`; ready when this returns. On SIGTERM it stops at once instead of in three seconds.
    pub(crate) async fn serve(&self) -> Process {
        self.serve_with(&["--no-goodbye"]).await
    }

    /// `relance serve`, which may have a reason not to be ready, or be killed before it is.
    pub(crate) fn started(&self, options: &[&str]) -> Process {
        self.start("serve", &[&["serve"], options].concat())
    }

    pub(crate) async fn serve_with(&self, options: &[&str]) -> Process {
        let mut process = self.started(options);
        self.ready(&mut process).await;
        process
    }

    pub(crate) async fn ready(&self, serve: &mut Process) {
        self.answers(serve, &format!("http://127.0.0.1:{}/readyz", self.port)).await;
    }

    async fn answers(&self, process: &mut Process, url: &str) {
        eventually(&format!("{} answers", process.name), async || {
            let ended = process.child.try_wait().unwrap();
            assert!(ended.is_none(), "{} ended at once: {ended:?}\n{}", process.name, process.log());
            self.http.get(url).send().await.is_ok_and(|answer| answer.status().is_success()).then_some(())
        })
        .await;
    }

    /// Everything that `serve` wrote to the terminal in all its lives.
    pub(crate) fn serve_log(&self) -> String {
        fs::read_to_string(self.path().join(".serve.log")).unwrap()
    }

    /// `GET` below `/api`, with the admin token.
    pub(crate) async fn api(&self, path: &str) -> Value {
        let url = format!("http://127.0.0.1:{}/api/{path}", self.port);
        let answer = self.http.get(url).bearer_auth(RELANCE_TOKEN).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    /// Deliveries that fit a filter, newest first.
    pub(crate) async fn deliveries(&self, filter: &str) -> Vec<Value> {
        list(&self.api(&format!("deliveries?{filter}")).await["deliveries"])
    }

    /// `GET` of the sandbox: its switches below `/sandbox`, the vendor's API below `/v1`.
    pub(crate) async fn vendor(&self, path: &str) -> Value {
        let url = format!("http://127.0.0.1:{}{path}", self.sandbox_port);
        let answer = self.http.get(url).bearer_auth(CALLBELL_TOKEN).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    /// Turns a switch of the sandbox.
    pub(crate) async fn turn(&self, switch: &str, body: &Value) {
        let url = format!("http://127.0.0.1:{}/sandbox/{switch}", self.sandbox_port);
        let answer = self.http.post(url).json(body).send().await.unwrap();
        let status = answer.status();
        assert_eq!(status, 200, "{switch}: {}", answer.text().await.unwrap_or_default());
    }

    /// Messages that the sandbox took, oldest first.
    pub(crate) async fn messages(&self) -> Vec<Value> {
        list(&self.vendor("/sandbox/messages").await)
    }

    /// The customer writes; relance has heard of it when this returns.
    pub(crate) async fn customer_writes(&self, phone: &str, text: &str) {
        let told = async || {
            let events = list(&self.vendor("/v1/webhooks/events?status=success&items=100").await["webhook_events"]);
            events.iter().filter(|event| event["payload"]["status"] == "received").count()
        };
        let before = told().await;
        self.turn("reply", &json!({ "phone": phone, "text": text })).await;
        eventually("relance heard of it", async || (told().await > before).then_some(())).await;
    }

    /// Posts an order as the till does; the status of the answer, or what went wrong on the way.
    pub(crate) async fn post_order(&self, order: &Value) -> reqwest::Result<u16> {
        post_event(&self.http, self.port, "order.paid", order).await.map(|(status, _)| status)
    }

    /// Waits until no message is queued, held or on its way. One question for all three: what moves from one state to the
    /// other cannot pass between two.
    pub(crate) async fn drained(&self) {
        eventually("everything is sent", async || {
            self.deliveries("state=queued,held,sending&limit=1").await.is_empty().then_some(())
        })
        .await;
    }
}

impl Process {
    /// Ends it as a power cut does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal by its name: `TERM`, `HUP`, `INT`, `STOP`, `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end; the exit code.
    pub(crate) async fn ended(&mut self) -> i32 {
        self.ended_within(PATIENCE).await
    }

    async fn ended_within(&mut self, patience: Duration) -> i32 {
        let name = self.name;
        let ended = within(patience, &format!("{name} ends"), async || self.child.try_wait().unwrap()).await;
        ended.code().unwrap_or(-1)
    }

    /// What it, and its earlier lives on this site, wrote.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The most memory it ever held of its own, MiB: without the pages of its own binary, which unoptimized and with
    /// debug information is many times the released one.
    pub(crate) fn peak_memory_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let kib = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
        };
        (kib("VmHWM:") - kib("RssFile:")) / 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("-- {} wrote:\n{}", self.name, lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}

/// The binary under test: this build's, or the one that `RELANCE_TEST_BIN` names.
fn binary() -> PathBuf {
    std::env::var_os("RELANCE_TEST_BIN").map_or_else(|| env!("CARGO_BIN_EXE_relance").into(), PathBuf::from)
}

/// Whether the binary under test is an optimized one.
pub(crate) fn is_optimized() -> bool {
    !cfg!(debug_assertions) || std::env::var_os("RELANCE_TEST_BIN").is_some()
}

/// Posts an event of the till to a port: status and body of the answer, or what went wrong on the way. Only a whole
/// answer counts as one.
pub(crate) async fn post_event(
    http: &reqwest::Client,
    port: u16,
    name: &str,
    event: &Value,
) -> reqwest::Result<(u16, bytes::Bytes)> {
    let url = format!("http://127.0.0.1:{port}/hooks/till/{TILL_TOKEN}/{name}");
    let answer = http.post(url).json(event).send().await?;
    Ok((answer.status().as_u16(), answer.bytes().await?))
}

/// Polls until there is an answer.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, ask).await
}

/// As [`eventually`], for what takes long.
pub(crate) async fn within<T>(patience: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < patience, "did not happen within {patience:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// A port that nobody listens on, below those the system gives to outgoing connections: it stays free while the
/// process that listens there is killed and started again.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 600).unwrap() * 32;
    loop {
        let port = 10_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

pub(crate) fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| panic!("not a list: {value}"))
}
