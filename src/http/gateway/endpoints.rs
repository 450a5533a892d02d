//! Endpoints: every one of the vendor's API, and how the gateway serves it. One table makes the routes, the OpenAPI
//! document and the table of the README.
//!
//! Invariant: what is not in this table is not served, and what is in it is documented.

use crate::config::Scope;
use Kind::{Flag, Number, Object, Text};
use Verb::{Delete, Get, Patch, Post, Put};
use axum::http::Method;

/// One endpoint below `/v1`.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) verb: Verb,
    /// Below `/v1`, with its parameters in braces.
    pub(super) path: &'static str,
    /// What a token needs for it.
    pub(super) scope: Scope,
    pub(super) act: Act,
    pub(super) summary: &'static str,
    pub(super) parameters: &'static [Parameter],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// What is done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Send,
    Status,
    Delete,
    Subscribe,
    Unsubscribe,
    Events,
    /// Passed on, without the account's token in the answer.
    Me,
    /// Passed on in the spelling of the vendor's page.
    Funnel,
    /// Passed on as it is.
    Pass,
}

/// A parameter of the query or the body; those of the path stand in the path.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) place: Place,
    pub(super) kind: Kind,
    pub(super) needed: bool,
    /// What relance does with it; empty = what the vendor does.
    pub(super) note: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Query,
    Body,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Flag,
    Number,
    List,
    Object,
}

impl Verb {
    pub(super) fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Patch => Method::PATCH,
            Self::Delete => Method::DELETE,
        }
    }
}

impl Endpoint {
    const fn new(
        (verb, path): (Verb, &'static str),
        act: Act,
        summary: &'static str,
        parameters: &'static [Parameter],
    ) -> Self {
        let scope = match (verb, act) {
            (_, Act::Send) => Scope::Send,
            (Verb::Get, _) => Scope::Read,
            _ => Scope::Operate,
        };
        Self { verb, path, scope, act, summary, parameters }
    }

    const fn pass(at: (Verb, &'static str), summary: &'static str, parameters: &'static [Parameter]) -> Self {
        Self::new(at, Act::Pass, summary, parameters)
    }

    /// What it answers holds people's numbers, which the scope `read` does not show.
    const fn personal(self) -> Self {
        Self { scope: Scope::Operate, ..self }
    }

    /// Whether relance answers by itself, as far as it knows; else the account does.
    pub(super) fn is_own(&self) -> bool {
        !matches!(self.act, Act::Pass | Act::Funnel | Act::Me)
    }

    /// The names in braces.
    pub(super) fn path_parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    pub(super) fn has_body(&self) -> bool {
        self.parameters.iter().any(|parameter| parameter.place == Place::Body)
    }
}

impl Parameter {
    const fn new(place: Place, name: &'static str, kind: Kind) -> Self {
        Self { name, place, kind, needed: false, note: "" }
    }

    const fn needed(self) -> Self {
        Self { needed: true, ..self }
    }

    const fn noted(self, note: &'static str) -> Self {
        Self { note, ..self }
    }
}

const fn query(name: &'static str) -> Parameter {
    Parameter::new(Place::Query, name, Kind::Text)
}

const fn page() -> Parameter {
    Parameter::new(Place::Query, "page", Kind::Number)
}

const fn body(name: &'static str, kind: Kind) -> Parameter {
    Parameter::new(Place::Body, name, kind)
}

const SEND: &[Parameter] = &[
    body("to", Text).noted("this or `bsuid`; written as `+<digits>` for WhatsApp, as it is for the rest"),
    body("bsuid", Text),
    body("from", Text).needed().noted("other kinds than `whatsapp` have no window here: the account judges them"),
    body("type", Text).needed().noted("as given, `audio` and `video` included"),
    body("content", Object).needed().noted("`text`, `url`; the seed's `contenu` and `texte` as well"),
    body("channel_uuid", Text).noted("left out: the project's default line, or the account's main one of that kind"),
    body("template_uuid", Text).noted("one that the account did not have when it was last asked is refused with 422"),
    body("optin_contact", Flag).noted("recorded as the person's consent; a withdrawal on record wins"),
    body("template_values", Kind::List),
    body("assigned_user", Text),
    body("team_uuid", Text),
    body("fields", Text).noted(
        "in the body or the query: `contact` yes, with what relance knows of the person; `conversation` no, because it is \
         the account's and the message has not reached it yet; it is asked for there",
    ),
    body("bot_status", Text),
    body("metadata", Object).noted("with ten pairs of yours there is no place for `relance_id`: in doubt a person settles it"),
    query("window").noted("`late` takes plain text into a closed window, which then fails with 131047; else it is refused with 422"),
];

const MESSAGE_UUID: &[Parameter] = &[body("uuid", Text).needed()];

const NEW_CONTACT: &[Parameter] = &[
    body("identifier", Text).needed(),
    body("source", Text).needed(),
    body("name", Text).needed(),
    body("tags", Kind::List),
    body("custom_fields", Object),
    body("assigned_user", Text),
    body("team_uuid", Text),
    body("channel_uuid", Text),
    body("bot_status", Text),
    body("note", Text),
];

const CHANGED_CONTACT: &[Parameter] = &[
    body("name", Text),
    body("tags", Kind::List),
    body("custom_fields", Object),
    body("assigned_user", Text),
    body("unassign_user", Flag),
    body("team_uuid", Text),
    body("bot_status", Text),
    body("note", Text),
];

const CONTACTS: &[Parameter] = &[
    page(),
    query("after"),
    query("source"),
    query("tags").noted("`tags[]` as well"),
    query("team_uuid"),
    query("include_field_types"),
];

const SUBSCRIBE: &[Parameter] = &[
    body("url", Text).needed(),
    body("subscriptions", Kind::List).noted("a list or names with commas; left out: every event"),
];

const EVENTS: &[Parameter] =
    &[query("status"), page(), Parameter::new(Place::Query, "items", Number), query("subscriptions")];

const AGENT_STATUS: &[Parameter] =
    &[body("available", Flag), body("custom_status_uuid", Text).noted("`null` takes it away")];
const NEW_STATUS: &[Parameter] = &[body("name", Text).needed(), body("emoji", Text)];
const CHANGED_STATUS: &[Parameter] = &[body("name", Text), body("emoji", Text)];
const FUNNEL: &[Parameter] = &[body("funnel_id", Text).needed()];

/// All of them, in the order of the reference.
pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new((Post, "/messages/send"), Act::Send, "Send a message", SEND),
    Endpoint::new((Get, "/messages/status/{uuid}"), Act::Status, "Where a message is", &[]),
    Endpoint::new((Delete, "/messages/{uuid}"), Act::Delete, "Take a message back, or delete it in the account", &[]),
    Endpoint::new((Delete, "/messages"), Act::Delete, "The same, with the uuid in the body", MESSAGE_UUID),
    Endpoint::pass((Get, "/contacts"), "List contacts", CONTACTS).personal(),
    Endpoint::pass((Post, "/contacts"), "Create a contact", NEW_CONTACT),
    Endpoint::pass((Get, "/contacts/{uuid}"), "Show a contact", &[query("include_field_types")]).personal(),
    Endpoint::pass((Patch, "/contacts/{uuid}"), "Change a contact", CHANGED_CONTACT),
    Endpoint::pass((Delete, "/contacts/{uuid}"), "Delete a contact", &[]),
    Endpoint::pass((Get, "/contacts/phone/{number}"), "Find a contact by number", &[query("channel_uuid")]).personal(),
    Endpoint::pass((Get, "/contacts/bsuid/{bsuid}"), "Find a contact by WhatsApp id", &[]).personal(),
    Endpoint::pass((Get, "/contacts/{uuid}/messages"), "List a contact's messages", &[page()]).personal(),
    Endpoint::pass((Get, "/contacts/{uuid}/bot"), "Show a contact's bot", &[]),
    Endpoint::pass((Post, "/contacts/{uuid}/bot"), "Start or end a contact's bot", &[body("status", Text).needed()]),
    Endpoint::pass((Post, "/contacts/{uuid}/conversation/open"), "Open a conversation", &[]),
    Endpoint::pass((Post, "/contacts/{uuid}/conversation/close"), "Close a conversation", &[]),
    Endpoint::pass((Post, "/contacts/{uuid}/conversation/note"), "Write a note", &[body("text", Text).needed()]),
    Endpoint::new((Put, "/contacts/{uuid}/conversation/update_funnel"), Act::Funnel, "Move to a funnel", FUNNEL),
    Endpoint::new(
        (Post, "/contacts/{uuid}/messages/update_funnel"),
        Act::Funnel,
        "The same, as the sample has it",
        FUNNEL,
    ),
    Endpoint::pass((Get, "/templates"), "List templates", &[page(), query("channel_uuid")]),
    Endpoint::pass((Get, "/templates/{uuid}"), "Show a template", &[]),
    Endpoint::pass((Patch, "/templates/{uuid}"), "Rename a template", &[body("title", Text).needed()]),
    Endpoint::pass((Get, "/channels"), "List lines", &[page(), query("type"), query("active")]),
    Endpoint::pass((Get, "/channels/{uuid}"), "Show a line", &[]),
    Endpoint::pass((Patch, "/channels/{uuid}"), "Rename a line", &[body("title", Text).needed()]),
    Endpoint::pass((Get, "/teams"), "List teams", &[page()]),
    Endpoint::pass((Get, "/teams/{uuid}"), "Show a team", &[]),
    Endpoint::pass((Patch, "/teams/{uuid}"), "Rename a team", &[body("name", Text).needed()]),
    Endpoint::pass((Get, "/teams/{uuid}/members"), "List a team's members", &[page(), query("status")]),
    Endpoint::pass((Get, "/funnels"), "List funnels", &[]),
    Endpoint::new((Get, "/auth/me"), Act::Me, "Test the connection", &[]),
    Endpoint::pass((Get, "/plan"), "Show the plan", &[]),
    Endpoint::pass((Get, "/custom_statuses"), "List the agents' statuses", &[page()]),
    Endpoint::pass((Post, "/custom_statuses"), "Create a status for agents", NEW_STATUS),
    Endpoint::pass((Get, "/custom_statuses/{uuid}"), "Show a status for agents", &[]),
    Endpoint::pass((Put, "/custom_statuses/{uuid}"), "Change a status for agents", CHANGED_STATUS),
    Endpoint::pass((Delete, "/custom_statuses/{uuid}"), "Delete a status for agents", &[]),
    Endpoint::pass((Get, "/users/{uuid}/status"), "Show an agent's status", &[]),
    Endpoint::pass((Put, "/users/{uuid}/status"), "Change an agent's status", AGENT_STATUS),
    Endpoint::new((Post, "/webhooks/subscribe"), Act::Subscribe, "Have the account's events handed on", SUBSCRIBE),
    Endpoint::new((Delete, "/webhooks/unsubscribe"), Act::Unsubscribe, "No longer", &[]),
    Endpoint::new(
        (Get, "/webhooks/events"),
        Act::Events,
        "List what was handed on; the payload of what was taken is not kept",
        EVENTS,
    )
    .personal(),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the README, a row per endpoint.
    fn table() -> String {
        let mut lines = vec!["| endpoint | served | parameters |".to_owned(), "|---|---|---|".to_owned()];
        for endpoint in ENDPOINTS {
            let served = if endpoint.is_own() { "yes" } else { "pass-through" };
            let of_path = endpoint.path_parameters().map(|name| format!("`{name}`"));
            let others = endpoint.parameters.iter().map(|parameter| match parameter.note {
                "" => format!("`{}`", parameter.name),
                note => format!("`{}` ({note})", parameter.name),
            });
            let parameters: Vec<String> = of_path.chain(others).collect();
            let all =
                if parameters.is_empty() { String::new() } else { format!("{served}: {}", parameters.join(", ")) };
            lines.push(format!("| `{} {}` | {served} | {all} |", endpoint.verb.method(), endpoint.path));
        }
        lines.join("\n") + "\n"
    }

    #[test]
    fn the_readme_holds_every_endpoint_and_parameter_as_they_are_served() {
        let readme = include_str!("../../../README.md");
        let table = table();
        assert!(readme.contains(&table), "the README's table of endpoints has to be:\n{table}");
    }
}
