//! Promise: the ordinary clients of three languages send Callbell's documented requests to relance with only the base URL
//! changed, and what they sent arrives at the account.
//!
//! Real processes all the way: curl, Python and Node, `relance serve`, `relance sandbox`.

use crate::process::{Process, Site, eventually};
use serde_json::{Value, json};
use std::process::{Command, Stdio};

/// Each client writes to somebody of its own: a person is not written to many times a minute.
const PEOPLE: [&str; 3] = ["+33612340001", "+33612340002", "+33612340003"];
const TOKEN: &str = "canary-crm-token";
/// The template of `tests/projects/shop`.
const TEMPLATE: &str = "a2a6ff6c5339db133d0b0d7cdb0a2ad3";

/// Documented with the `requests` of most tutorials; the standard library needs nothing installed.
const PYTHON: &str = r#"
import json, os, urllib.request
def call(method, path, body=None):
    data = json.dumps(body).encode() if body is not None else None
    headers = {"Authorization": "Bearer " + os.environ["TOKEN"], "Content-Type": "application/json"}
    request = urllib.request.Request(os.environ["BASE"] + path, data, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)
sent = call("POST", "/messages/send", json.loads(os.environ["BODY"]))
status = call("GET", "/messages/status/" + sent["message"]["uuid"])
print(json.dumps([sent, status]))
"#;

const NODE: &str = r#"
const { BASE, TOKEN, BODY } = process.env;
const call = async (method, path, body) => {
  const headers = { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" };
  const answer = await fetch(BASE + path, { method, headers, body });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
};
(async () => {
  const sent = await call("POST", "/messages/send", BODY);
  const status = await call("GET", `/messages/status/${sent.message.uuid}`);
  console.log(JSON.stringify([sent, status]));
})();
"#;

const CURL: &str = r#"
set -e
sent="$(curl -sSf -X POST "$BASE/messages/send" -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -d "$BODY")"
uuid="$(printf '%s' "$sent" | sed 's/.*"uuid":"\([^"]*\)".*/\1/')"
status="$(curl -sSf "$BASE/messages/status/$uuid" -H "Authorization: Bearer $TOKEN")"
printf '[%s,%s]' "$sent" "$status"
"#;

struct Desk {
    site: Site,
    processes: [Process; 2],
}

impl Desk {
    async fn open() -> Self {
        Self::open_with(async |_| ()).await
    }

    /// `prepare`: what the account is like before relance first asks it.
    async fn open_with(prepare: impl AsyncFnOnce(&Site)) -> Self {
        let mut site = Site::of("shop");
        let project = std::fs::read_to_string(site.path().join("relance.yaml")).unwrap();
        site.write(
            "relance.yaml",
            &format!("{project}tokens: {{ crm: {{ secret: CRM_TOKEN, scopes: [send, read] }} }}\n"),
        );
        site.set("CRM_TOKEN", TOKEN);
        let sandbox = site.sandbox().await;
        prepare(&site).await;
        let processes = [sandbox, site.serve().await];
        for person in PEOPLE {
            site.customer_writes(person, "hello").await;
        }
        Self { site, processes }
    }

    /// What a client says to a body, as it was answered: the send, and the status after it.
    async fn client(&self, program: &str, args: &[&str], body: &Value) -> Value {
        let mut command = Command::new(program);
        command.args(args).env("BASE", format!("http://127.0.0.1:{}/v1", self.site.port)).env("TOKEN", TOKEN);
        command.env("BODY", body.to_string()).env("no_proxy", "127.0.0.1").stdin(Stdio::null());
        let said = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
        assert!(said.status.success(), "{program}: {out} {err}");
        serde_json::from_str(&out).unwrap_or_else(|_| panic!("{program} said {out} {err}"))
    }

    /// Waits for the message whose metadata names this client; its body without our mark.
    async fn arrived(&self, name: &str) -> Value {
        let mut found = eventually(&format!("the message of {name}"), async || {
            let all = self.site.messages().await;
            all.into_iter().find(|message| message["body"]["metadata"]["client"] == name)
        })
        .await;
        let mut body = found["body"].take();
        assert!(body["metadata"].as_object_mut().unwrap().remove("relance_id").is_some(), "{body}");
        body.as_object_mut().unwrap().remove("fields");
        body
    }
}

/// The documented requests, one per kind, each with the client's name to find it by.
fn requests(name: &str, to: &str) -> [Value; 3] {
    let file = "https://files.example.org/devis-118.png";
    let metadata = |kind: &str| json!({ "client": format!("{name} {kind}") });
    [
        json!({ "to": to, "from": "whatsapp", "type": "text", "content": { "text": "Bonjour été 👋" }, "metadata": metadata("text") }),
        json!({ "to": to, "from": "whatsapp", "type": "image", "content": { "url": file, "text": "Votre devis" },
            "metadata": metadata("image") }),
        json!({ "to": to, "from": "whatsapp", "type": "text", "content": { "text": "Ana" }, "template_uuid": TEMPLATE,
            "optin_contact": true, "template_values": ["Ana", "118", "12 €"], "metadata": metadata("template") }),
    ]
}

#[tokio::test]
async fn curl_python_and_node_send_with_only_the_base_url_changed() {
    let desk = Desk::open().await;
    let clients: [(&str, &[&str]); 3] =
        [("bash", &["-c", CURL]), ("python3", &["-c", PYTHON]), ("node", &["-e", NODE])];
    for ((program, args), person) in clients.into_iter().zip(PEOPLE) {
        for request in requests(program, person) {
            let said = desk.client(program, args, &request).await;
            let uuid = said[0]["message"]["uuid"].as_str().unwrap();
            assert_eq!(said[0], json!({ "message": { "uuid": uuid, "status": "enqueued" } }), "{program}");
            assert_eq!(said[1]["message"]["uuid"], uuid, "{program}");
            let mut body = desk.arrived(request["metadata"]["client"].as_str().unwrap()).await;
            // The line is the project's, when the client names none.
            body.as_object_mut().unwrap().remove("channel_uuid");
            assert_eq!(body, request, "{program}");
        }
    }
    let log = desk.site.serve_log();
    assert!(!log.contains("Bonjour") && !log.contains(TOKEN) && !log.contains("1234000"), "{log}");
}

#[tokio::test]
async fn an_answered_message_and_its_key_survive_kill_9() {
    let mut desk = Desk::open().await;
    let body = requests("kill", PEOPLE[0])[0].clone();
    let send = async |desk: &Desk| {
        let url = format!("http://127.0.0.1:{}/v1/messages/send", desk.site.port);
        let request = desk.site.http.post(url).bearer_auth(TOKEN).header("idempotency-key", "kill-1").json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    // Not taken by the account before the end: whether a call that is cut off was taken, nobody could tell.
    desk.site.turn("faults", &json!({ "429": true })).await;
    let first = send(&desk).await;
    assert_eq!(first.0, 200, "{}", first.1);
    eventually("the account refused it once", async || {
        desk.site.deliveries("state=held").await.first().map(|held| held["reason"].clone())
    })
    .await;
    let [sandbox, serve] = desk.processes;
    serve.kill();
    desk.site.turn("faults", &json!({ "429": false })).await;
    desk.processes = [sandbox, desk.site.serve().await];
    assert_eq!(send(&desk).await, first);
    desk.arrived("kill text").await;
    desk.site.drained().await;
    assert_eq!(desk.site.messages().await.len(), 1);
}

#[tokio::test]
async fn lines_that_the_project_does_not_list_and_other_platforms_get_what_was_documented() {
    let desk = "c0ffee00c0ffee00c0ffee00c0ffee00";
    let office = async |site: &Site| {
        let mut lines = site.vendor("/sandbox/account").await["channels"].as_array().unwrap().clone();
        lines.push(json!({ "uuid": desk, "title": "Desk" }));
        lines.push(json!({ "uuid": "5cb4", "title": "Bot", "type": "telegram" }));
        site.turn("account", &json!({ "channels": lines })).await;
    };
    let open = Desk::open_with(office).await;
    let mut unlisted = requests("desk", PEOPLE[0])[2].clone();
    unlisted["channel_uuid"] = desk.into();
    let foreign = json!({ "to": "712-ana", "from": "telegram", "type": "text", "content": { "text": "Bonjour" },
        "metadata": { "client": "bot" } });
    for (body, line) in [(&unlisted, desk), (&foreign, "5cb4")] {
        let said = open.client("bash", &["-c", CURL], body).await;
        assert_eq!(said[0]["message"]["status"], "enqueued");
        assert_eq!(&open.arrived(body["metadata"]["client"].as_str().unwrap()).await, body);
        assert_eq!(open.site.messages().await.last().unwrap()["channel"], line);
    }
    let log = open.site.serve_log();
    assert!(!log.contains("Bonjour") && !log.contains("712-ana"), "{log}");
}
