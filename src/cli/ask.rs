//! Asking a running server: `trigger` and `runs` use it.

use super::Global;
use super::exit::{Exit, Failure};
use super::{environment, token};
use crate::config::Environment;
use serde_json::Value;
use std::io::{BufRead as _, Write};
use std::time::Duration;

/// How long a look at everything that is stored may take.
const LONG: Duration = Duration::from_secs(3600);

/// A server, and the token that opens it.
pub struct Server {
    url: String,
    token: Option<String>,
    http: reqwest::Client,
}

impl Server {
    /// The server of `--url`, else the one of `RELANCE_LISTEN`; the token of `RELANCE_TOKEN`, else of the project.
    ///
    /// # Errors
    /// When the environment cannot be read.
    pub fn of(global: &Global) -> anyhow::Result<Self> {
        let environment = Environment::read(&environment::lookup)
            .map_err(|mistakes| Failure::error(Exit::Usage, mistakes.join("; "), "mend the environment variables"))?;
        let token = environment.token.as_ref().map(|token| token.expose().to_owned());
        let token = token.or_else(|| token::read(&global.project));
        let url = global.url.clone().unwrap_or_else(|| format!("http://{}", environment.listen));
        crate::connector::install_crypto();
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        Ok(Self { url: url.trim_end_matches('/').to_owned(), token, http })
    }

    /// Asks a path below `/api`.
    ///
    /// # Errors
    /// Exit 3 when nobody answers, 4 when the server refuses.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(self.http.get(format!("{}{path}", self.url))).await
    }

    /// Posts JSON to a path below `/api`.
    ///
    /// # Errors
    /// As [`Server::get`].
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(self.http.post(format!("{}{path}", self.url)).json(body)).await
    }

    /// As [`Server::post`], for what looks at everything that is stored.
    ///
    /// # Errors
    /// As [`Server::get`].
    pub async fn post_and_wait(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(self.http.post(format!("{}{path}", self.url)).json(body).timeout(LONG)).await
    }

    /// As [`Server::post`], under an Idempotency-Key: what is sent twice under it is one message.
    ///
    /// # Errors
    /// As [`Server::get`]; when the answer is missing, the hint names the key.
    pub async fn post_once(&self, path: &str, body: &Value, key: &str) -> anyhow::Result<Value> {
        let request = self.http.post(format!("{}{path}", self.url)).header("idempotency-key", key).json(body);
        self.send(request).await.map_err(|error| match error.downcast::<Failure>() {
            Ok(failure) if failure.exit == Exit::NoConnection => {
                let once = "if it was taken all the same, it is sent once under";
                let hint = format!("{}; {once} `--idempotency-key {key}`", failure.hint);
                Failure { hint, ..failure }.into()
            }
            Ok(failure) => failure.into(),
            Err(error) => error,
        })
    }

    /// As [`Server::post_and_wait`], for an answer of any length: it is written as it comes.
    ///
    /// # Errors
    /// As [`Server::get`]; exit 3, too, when the answer breaks off.
    pub async fn post_into(&self, path: &str, body: &Value, out: &mut impl Write) -> anyhow::Result<()> {
        let request = self.http.post(format!("{}{path}", self.url)).json(body).timeout(LONG);
        let mut answer = self.answer(request).await?;
        let broken = |_| {
            let hint = "what was written is not whole: ask again; the server's log says why";
            Failure::error(Exit::NoConnection, "the server's answer broke off", hint)
        };
        while let Some(part) = answer.chunk().await.map_err(broken)? {
            out.write_all(&part)?;
        }
        Ok(())
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        Ok(self.answer(request).await?.json().await.unwrap_or_default())
    }

    /// The answer of a server that does what it is asked.
    async fn answer(&self, request: reqwest::RequestBuilder) -> anyhow::Result<reqwest::Response> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let answer = request.send().await.map_err(|error| {
            let hint = "start it with `relance serve` or `relance dev`, or name it with `--url`";
            Failure::error(
                Exit::NoConnection,
                format!("no relance server answers at {}: {}", self.url, error.without_url()),
                hint,
            )
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body: Value = answer.json().await.unwrap_or_default();
        let said = match &body["error"] {
            Value::String(said) => said.clone(),
            Value::Null => "no reason given".to_owned(),
            faults => faults_in_words(faults),
        };
        let hint = body["hint"].as_str().unwrap_or_default();
        Err(Failure::error(Exit::Refused, format!("the server refused ({}): {said}", status.as_u16()), hint))
    }
}

/// Whether the person at the terminal says yes.
///
/// # Errors
/// When the terminal cannot be read.
pub fn confirmed(question: &str) -> anyhow::Result<bool> {
    eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes" | "o" | "oui" | "s" | "si" | "sí"))
}

/// The vendor's envelope, a list of words per faulty field, as a sentence.
fn faults_in_words(faults: &Value) -> String {
    let words = |said: &Value| match said {
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        Value::String(said) => said.clone(),
        other => other.to_string(),
    };
    match faults.as_object() {
        Some(fields) => {
            fields.iter().map(|(name, said)| format!("`{name}` {}", words(said))).collect::<Vec<_>>().join("; ")
        }
        None => words(faults),
    }
}
