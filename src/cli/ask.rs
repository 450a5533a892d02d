//! Asking a running server, for every command that needs one.
//!
//! Invariant: what was not understood is never taken for done: an answer that cannot be read is no answer.

use super::Global;
use super::account::read_environment;
use super::exit::{Exit, Failure};
use super::token;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
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
        let environment = read_environment()?;
        let token = environment.token.as_ref().map(|token| token.expose().to_owned());
        let token = token.or_else(|| token::read(&global.project));
        let url = global.url.clone().unwrap_or_else(|| format!("http://{}", environment.listen));
        Ok(Self { url: url.trim_end_matches('/').to_owned(), token, http: client()? })
    }

    /// Asks a path below `/api`.
    ///
    /// # Errors
    /// Exit 3 when nobody answers, 4 when the server refuses.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(self.send(self.http.get(format!("{}{path}", self.url))).await?)
    }

    /// Posts JSON to a path below `/api`.
    ///
    /// # Errors
    /// As [`Server::get`].
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        Ok(self.send(self.http.post(format!("{}{path}", self.url)).json(body)).await?)
    }

    /// As [`Server::post`], for what looks at everything that is stored.
    ///
    /// # Errors
    /// As [`Server::get`].
    pub async fn post_and_wait(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        Ok(self.send(self.http.post(format!("{}{path}", self.url)).json(body).timeout(LONG)).await?)
    }

    /// As [`Server::post`], under an Idempotency-Key: what is sent twice under it is one message.
    ///
    /// # Errors
    /// As [`Server::get`]; when it is not certain that nothing was taken, the hint names the key.
    pub async fn post_once(&self, path: &str, body: &Value, key: &str) -> anyhow::Result<Value> {
        let request = self.http.post(format!("{}{path}", self.url)).header("idempotency-key", key).json(body);
        self.send(request).await.map_err(|Unanswered { mut failure, taken }| {
            if taken {
                let once = "if it was taken all the same, it is sent once under";
                let hint = std::mem::take(&mut failure.hint);
                let hint = if hint.is_empty() { hint } else { format!("{hint}; ") };
                failure.hint = format!("{hint}{once} `--idempotency-key {key}`");
            }
            failure.into()
        })
    }

    /// As [`Server::post_and_wait`], for an answer of any length: it is written as it comes.
    ///
    /// # Errors
    /// As [`Server::get`]; exit 3, too, when the answer breaks off.
    pub async fn post_into(&self, path: &str, body: &Value, out: &mut impl Write) -> anyhow::Result<()> {
        let request = self.http.post(format!("{}{path}", self.url)).json(body).timeout(LONG);
        let mut answer = self.answer(request).await?;
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("application/json") {
            return Err(self.unread(answer.status(), "its answer is no JSON").into());
        }
        let broken = |_| {
            let hint = "what was written is not whole: ask again; the server's log says why";
            Failure::error(Exit::NoConnection, "the server's answer broke off", hint)
        };
        while let Some(part) = answer.chunk().await.map_err(broken)? {
            out.write_all(&part)?;
        }
        Ok(())
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value, Unanswered> {
        let answer = self.answer(request).await?;
        let status = answer.status();
        let whole = answer.bytes().await.map_err(|_| self.unread(status, "its answer broke off"))?;
        serde_json::from_slice(&whole).map_err(|_| self.unread(status, "its answer is no JSON"))
    }

    /// The answer of a server that does what it is asked.
    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, Unanswered> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let answer = request.send().await.map_err(|error| {
            let taken = !error.is_connect();
            let message = format!("no relance server answers at {}: {}", self.url, cause(error));
            let hint = "start it with `relance serve` or `relance dev`, or name it with `--url`".to_owned();
            Unanswered { failure: Failure { exit: Exit::NoConnection, message, hint }, taken }
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body: Value = answer.json().await.unwrap_or_default();
        let said = match &body["error"] {
            Value::String(said) => said.clone(),
            Value::Null if !status.is_client_error() => return Err(self.unread(status, "it is another program")),
            Value::Null => "no reason given".to_owned(),
            faults => faults_in_words(faults),
        };
        let message = format!("the server refused ({}): {said}", status.as_u16());
        let hint = body["hint"].as_str().unwrap_or_default().to_owned();
        Err(Unanswered { failure: Failure { exit: Exit::Refused, message, hint }, taken: status.is_server_error() })
    }

    /// Whatever it did, it did not say so.
    fn unread(&self, status: StatusCode, why: &str) -> Unanswered {
        let message = format!("no relance server answers at {}: {why} (HTTP {})", self.url, status.as_u16());
        let hint = "look at what stands at this address, or name another with `--url`".to_owned();
        Unanswered { failure: Failure { exit: Exit::NoConnection, message, hint }, taken: true }
    }
}

/// What an error comes down to, without the address that was asked: `connection refused`.
pub(super) fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let said = innermost.to_string();
    let said = said.split(" (os error").next().unwrap_or_default();
    let mut letters = said.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// What is posted may hold a secret, and goes nowhere else.
fn client() -> anyhow::Result<reqwest::Client> {
    Ok(crate::connector::http_client()?.no_proxy().timeout(Duration::from_secs(30)).build()?)
}

/// A request that is not answered as it was asked.
struct Unanswered {
    failure: Failure,
    /// It may have been taken all the same.
    taken: bool,
}

impl From<Unanswered> for anyhow::Error {
    fn from(unanswered: Unanswered) -> Self {
        unanswered.failure.into()
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

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::http::header::LOCATION;
    use axum::routing::{any, get};
    use serde_json::json;

    /// A program that is no relance server, and a client of it.
    async fn beside(router: Router) -> Server {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Server { url, token: None, http: client().unwrap() }
    }

    #[tokio::test]
    async fn what_keeps_a_server_from_answering_is_said_in_two_words() {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let server = Server { url: format!("http://{free}"), token: None, http: client().unwrap() };
        let said = server.get("/api/runs").await.unwrap_err().to_string();
        assert!(said.ends_with(&format!("{free}: connection refused")), "{said}");
    }

    #[tokio::test]
    async fn what_is_not_understood_is_not_taken_for_done_and_the_key_is_named_where_it_may_have_been() {
        let elsewhere = || async { (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, "/taken")], "") };
        let router = Router::new()
            .route("/page", any(async || "<html>Welcome</html>"))
            .route("/proxy", any(async || (StatusCode::BAD_GATEWAY, "<html>Bad gateway</html>")))
            .route("/moved", any(elsewhere))
            .route("/taken", any(async || r#"{"runs": []}"#))
            .route("/broken", any(async || (StatusCode::INTERNAL_SERVER_ERROR, r#"{"error": "no database"}"#)))
            .route("/closed", get(async || StatusCode::OK));
        let server = beside(router).await;
        let (body, failed) = (json!({}), |error: anyhow::Error| error.downcast::<Failure>().unwrap());
        for (path, exit) in [
            ("/page", Exit::NoConnection),
            ("/proxy", Exit::NoConnection),
            ("/moved", Exit::NoConnection),
            ("/broken", Exit::Refused),
        ] {
            assert_eq!(failed(server.get(path).await.unwrap_err()).exit, exit, "{path}");
            let failure = failed(server.post_once(path, &body, "K7").await.unwrap_err());
            assert!(failure.exit == exit && failure.hint.contains("--idempotency-key K7"), "{path}: {failure:?}");
        }
        let mut written = Vec::new();
        assert_eq!(failed(server.post_into("/page", &body, &mut written).await.unwrap_err()).exit, Exit::NoConnection);
        assert!(written.is_empty(), "no page is taken for an export");
        let refused = failed(server.post_once("/closed", &body, "K7").await.unwrap_err());
        assert!(refused.exit == Exit::Refused && !refused.hint.contains("K7"), "{refused:?}");
        assert_eq!(server.get("/taken").await.unwrap(), json!({ "runs": [] }));
    }
}
