//! `relance send`: one message to one person through a running server, by the door that every Callbell client uses.
//!
//! The server's gate decides as for any message: window, consent, limits. Invariant: a template leaves only when who sends
//! says that the person agreed; nothing is sent to somebody by leaving a word out.

use super::ask::Server;
use super::exit::Failure;
use super::runs::spoken;
use super::{Exit, Global, completions, project};
use crate::clock::Clock;
use crate::config::{CatalogueEntry, LockedTemplate, Project};
use crate::contact::Phone;
use crate::delivery::inside_id;
use crate::message::TemplateKind;
use crate::rehearsal;
use crate::workflow;
use anyhow::Context as _;
use clap_complete::engine::ArgValueCandidates;
use serde_json::{Value, json};
use std::io::Write as _;
use std::time::{Duration, Instant};

/// How long `--wait` waits at most.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The person's number, `+34600000001`
    to: String,
    /// Plain text, or the caption of an image
    #[arg(long)]
    text: Option<String>,
    /// A template by its name in `templates.yaml`
    #[arg(long, conflicts_with = "text", add = ArgValueCandidates::new(completions::templates))]
    template: Option<String>,
    /// A value of the template, `first_name=Ana`; may be repeated
    #[arg(long = "value", value_name = "NAME=VALUE", requires = "template")]
    values: Vec<String>,
    /// The person agreed to receive messages: needed by every template
    #[arg(long, requires = "template")]
    opted_in: bool,
    /// Address of a file: an attachment, or the header of a media template
    #[arg(long, value_name = "URL")]
    media: Option<String>,
    /// The line that sends, by its name in `relance.yaml`
    #[arg(long)]
    channel: Option<String>,
    /// Names the message: sent again under the same key it leaves once; else a new one is made
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Wait until it has left, and print its status
    #[arg(long)]
    wait: bool,
}

pub async fn run(global: &Global, args: &Args) -> anyhow::Result<Exit> {
    let files = project::read_files(&global.project)?;
    // Without a lock file a uuid says which template it is.
    let project = workflow::load(&files).project.map(rehearsal::furnished);
    let mut body = body(args, project.as_ref())?;
    let server = Server::of(global)?;
    if let Some(name) = &args.channel {
        body["channel_uuid"] = channel_uuid(name, project.as_ref(), &server).await?.into();
    }
    let key = args.idempotency_key.clone().unwrap_or_else(|| Clock::machine(0).new_id());
    let answer = server.post_once("/v1/messages/send", &body, &key).await.map_err(in_our_words)?;
    let uuid = answer["message"]["uuid"].as_str().context("the server named no message")?.to_owned();
    if args.wait {
        return wait_for(global, &server, &uuid).await;
    }
    print(global, &uuid, answer["message"]["status"].as_str().unwrap_or("enqueued"), None)?;
    Ok(Exit::Fine)
}

/// The gateway speaks to clients of the API; here the way out is an option.
fn in_our_words(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<Failure>() {
        Some(failure) if failure.message.contains("`window` ") => {
            let message = "not sent: the person wrote more than 24 hours ago, or never";
            Failure::error(Exit::Refused, message, "send an approved template: `--template <name> --opted-in`")
        }
        _ => error,
    }
}

fn usage(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Failure::error(Exit::Usage, message, hint)
}

/// The request, as the vendor documents it.
fn body(args: &Args, project: Option<&Project>) -> anyhow::Result<Value> {
    let region = project.and_then(|project| project.settings.phone_region.as_deref());
    let phone = Phone::parse(&args.to, region)
        .map_err(|_| usage("the number cannot be read", "write it in international form, `+34600000001`"))?;
    let mut body = json!({ "to": phone.e164(), "from": "whatsapp" });
    match (&args.template, &args.text, &args.media) {
        (Some(name), _, media) => fill_template(&mut body, args, name, media.as_deref(), project)?,
        (None, text, Some(url)) => {
            body["type"] = if is_image(url) { "image" } else { "document" }.into();
            body["content"] = json!({ "url": url });
            if let Some(text) = text {
                body["content"]["text"] = text.as_str().into();
            }
        }
        (None, Some(text), None) => {
            body["type"] = "text".into();
            body["content"] = json!({ "text": text });
        }
        (None, None, None) => return Err(usage("there is nothing to send", "add `--text`, `--template` or `--media`")),
    }
    Ok(body)
}

fn fill_template(
    body: &mut Value,
    args: &Args,
    name: &str,
    media: Option<&str>,
    project: Option<&Project>,
) -> anyhow::Result<()> {
    if !args.opted_in {
        let hint = "add `--opted-in` when the person did; WhatsApp allows no template otherwise";
        return Err(usage("a template needs that the person agreed to receive messages", hint));
    }
    let (entry, locked) = find_template(name, project)?;
    let values = values(&entry.values, &args.values)?;
    body["type"] = match locked.kind {
        TemplateKind::Text => "text",
        TemplateKind::Image => "image",
        TemplateKind::Video => "video",
        TemplateKind::Document => "document",
    }
    .into();
    match (locked.kind, media) {
        (TemplateKind::Text, Some(_)) => {
            return Err(usage(format!("the template `{name}` has no header for a file"), "leave `--media` out"));
        }
        (TemplateKind::Text, None) => {}
        (_, None) => return Err(usage(format!("the template `{name}` needs a file"), "add `--media https://…`")),
        (_, Some(url)) => body["content"]["url"] = url.into(),
    }
    body["content"]["text"] = values.first().map_or("", String::as_str).into();
    body["template_uuid"] = locked.uuid.as_str().into();
    body["optin_contact"] = true.into();
    if values.len() > 1 {
        body["template_values"] = values.into();
    }
    Ok(())
}

fn find_template<'a>(
    name: &str,
    project: Option<&'a Project>,
) -> anyhow::Result<(&'a CatalogueEntry, &'a LockedTemplate)> {
    let project =
        project.ok_or_else(|| usage("no project here", "go to the project's folder, or name it with `-C`"))?;
    let catalogue = &project.catalogue;
    let entry = catalogue.entries.get(name).ok_or_else(|| {
        let known: Vec<&str> = catalogue.entries.keys().map(String::as_str).collect();
        usage(format!("`templates.yaml` has no template `{name}`"), format!("it has: {}", known.join(", ")))
    })?;
    let fits = |locked: &&LockedTemplate| match (&entry.uuid, &entry.title) {
        (Some(uuid), _) => locked.uuid == *uuid,
        (None, title) => title.as_ref() == Some(&locked.title),
    };
    let locked = catalogue.lock.values().find(fits).ok_or_else(|| {
        let message = format!("nothing tells which template of the account `{name}` is");
        usage(message, "run `relance templates pull`, or name it in `templates.yaml` by its `uuid`")
    })?;
    Ok((entry, locked))
}

/// The values in the order of the catalogue.
fn values(names: &[String], given: &[String]) -> anyhow::Result<Vec<String>> {
    let list = names.join(", ");
    let mut found: Vec<Option<String>> = vec![None; names.len()];
    for pair in given {
        let (name, value) =
            pair.split_once('=').ok_or_else(|| usage(format!("no value: `{pair}`"), "write `--value name=text`"))?;
        let Some(at) = names.iter().position(|known| known == name) else {
            return Err(usage(format!("the template has no value `{name}`"), format!("it has: {list}")));
        };
        found[at] = Some(value.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|value| !value.is_empty());
    }
    let all = names.iter().zip(found).map(|(name, value)| {
        value.ok_or_else(|| usage(format!("the value `{name}` is missing"), format!("add `--value {name}=…`")))
    });
    all.collect()
}

fn is_image(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default().to_lowercase();
    [".jpg", ".jpeg", ".png", ".webp"].iter().any(|extension| path.ends_with(extension))
}

/// The uuid of a line of the project; one named by its title is looked up at the server.
async fn channel_uuid(name: &str, project: Option<&Project>, server: &Server) -> anyhow::Result<String> {
    let channel = project.and_then(|project| project.settings.channel(name)).filter(|channel| channel.listed);
    let channel = channel.ok_or_else(|| {
        usage(format!("`relance.yaml` lists no channel `{name}`"), "`relance channels list` shows the account's lines")
    })?;
    if let Some(uuid) = &channel.uuid {
        return Ok(uuid.clone());
    }
    let answer = server.get("/v1/channels").await?;
    let lines = answer["channels"].as_array().map(Vec::as_slice).unwrap_or_default();
    let line = lines.iter().find(|line| line["title"].as_str() == channel.title.as_deref());
    let uuid = line.and_then(|line| line["uuid"].as_str()).map(str::to_owned);
    uuid.ok_or_else(|| {
        let message = format!("the account has no line with the title of `{name}`");
        Failure::error(Exit::Refused, message, "`relance channels list` shows the account's lines")
    })
}

async fn wait_for(global: &Global, server: &Server, uuid: &str) -> anyhow::Result<Exit> {
    let begun = Instant::now();
    loop {
        let answer = server.get(&format!("/v1/messages/status/{uuid}")).await?;
        let status = answer["message"]["status"].as_str().unwrap_or("enqueued").to_owned();
        let settled = matches!(status.as_str(), "sent" | "delivered" | "read" | "failed");
        if settled || begun.elapsed() >= PATIENCE {
            let fault = if status == "failed" { fault(server, uuid, &answer).await } else { None };
            print(global, uuid, &status, fault)?;
            return Ok(if settled && status != "failed" { Exit::Fine } else { Exit::Problems });
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Why a message failed: relance's own reason, and the same in words.
struct Fault {
    reason: String,
    because: String,
}

/// What relance keeps of the message says it best: the vendor's answer knows only the codes of the platform. A token that
/// may not read it gets the words of that answer.
async fn fault(server: &Server, uuid: &str, answer: &Value) -> Option<Fault> {
    let kept = kept_reason(server, uuid).await;
    let told = || answer["message"]["messageStatusPayload"]["payload"]["reason"].as_str().map(str::to_owned);
    let reason = kept.or_else(told).filter(|reason| !reason.is_empty())?;
    Some(Fault { because: spoken().reason(&reason), reason })
}

async fn kept_reason(server: &Server, uuid: &str) -> Option<String> {
    let id = ulid::Ulid::from_string(&inside_id(uuid)?).ok()?;
    // The newest one before the id that follows is this one.
    let answer = server.get(&format!("/api/deliveries?limit=1&before={}", id.increment()?)).await.ok()?;
    let delivery = &answer["deliveries"][0];
    let reason = delivery["reason"].as_str().filter(|_| delivery["id"] == id.to_string())?;
    Some(reason.to_owned()).filter(|reason| !reason.is_empty())
}

fn print(global: &Global, uuid: &str, status: &str, fault: Option<Fault>) -> anyhow::Result<()> {
    let mut out = global.out();
    if global.json {
        let mut message = json!({ "uuid": uuid, "status": status });
        if let Some(Fault { reason, because }) = fault {
            (message["reason"], message["because"]) = (reason.into(), because.into());
        }
        return Ok(writeln!(out, "{}", json!({ "version": 1, "message": message }))?);
    }
    let because = fault.map(|fault| format!(": {}", fault.because)).unwrap_or_default();
    Ok(writeln!(out, "{uuid}  {status}{because}")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Files;

    fn project() -> Project {
        let lock = json!([
            { "uuid": "t1", "title": "Order", "text": "Hi {{1}}: {{2}}.", "type": "text", "category": "utility",
              "status": "approved", "placeholders": 2 },
            { "uuid": "t2", "title": "Card", "text": "Happy birthday {{1}} !", "type": "image", "category": "utility",
              "status": "approved", "placeholders": 1 }
        ]);
        let files = [
            (
                "relance.yaml",
                "version: 1\nname: S\nsettings: { timezone: Europe/Madrid }\nphone_region: ES\n".to_owned(),
            ),
            (
                "templates.yaml",
                "order: { title: Order, values: [name, number] }\ncard: { uuid: t2, values: [name], media: image }\n"
                    .into(),
            ),
            ("templates.lock.json", lock.to_string()),
        ];
        let files: Files = files.map(|(name, text)| (name.to_owned(), text)).into();
        workflow::load(&files).project.unwrap()
    }

    fn written(args: &[&str]) -> Result<Value, String> {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let line =
            <Line as clap::Parser>::try_parse_from([&["send"], args].concat()).map_err(|error| error.to_string())?;
        body(&line.args, Some(&project())).map_err(|error| error.to_string())
    }

    #[test]
    fn a_message_is_the_documented_request() {
        let text = json!({ "to": "+34600000001", "from": "whatsapp", "type": "text", "content": { "text": "Hi" } });
        assert_eq!(written(&["600 000 001", "--text", "Hi"]).unwrap(), text);
        let image = written(&["+34600000001", "--media", "https://x/a.PNG?b", "--text", "Look"]).unwrap();
        assert_eq!((&image["type"], &image["content"]["text"]), (&json!("image"), &json!("Look")));
        let template =
            ["+34600000001", "--template", "order", "--opted-in", "--value", "number=7", "--value", "name=Ana  B"];
        let template = written(&template).unwrap();
        assert_eq!(template["template_values"], json!(["Ana B", "7"]), "in the catalogue's order");
        assert_eq!((&template["template_uuid"], &template["content"]["text"]), (&json!("t1"), &json!("Ana B")));
        let card =
            ["+34600000001", "--template", "card", "--opted-in", "--value", "name=Ana", "--media", "https://x/a.png"];
        let card = written(&card).unwrap();
        assert_eq!((&card["type"], &card["content"]["url"]), (&json!("image"), &json!("https://x/a.png")));
    }

    #[test]
    fn what_is_missing_is_told() {
        let ana = "+34600000001";
        for (args, said) in [
            (&["12", "--text", "Hi"][..], "number cannot be read"),
            (&[ana], "nothing to send"),
            (&[ana, "--template", "order"], "agreed"),
            (&[ana, "--template", "nobody", "--opted-in"], "no template `nobody`"),
            (&[ana, "--template", "order", "--opted-in", "--value", "name=A"], "`number` is missing"),
            (&[ana, "--template", "order", "--opted-in", "--value", "x=A"], "no value `x`"),
            (
                &[ana, "--template", "order", "--opted-in", "--value", "name=A", "--value", "number= "],
                "`number` is missing",
            ),
            (&[ana, "--template", "card", "--opted-in", "--value", "name=A"], "needs a file"),
        ] {
            let refused = written(args).unwrap_err();
            assert!(refused.contains(said), "{refused}");
        }
    }
}
