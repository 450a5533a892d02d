//! `update_contact`: what changes of the person in the account.

use super::expression::{Holes, is_bare_path};
use super::fields::{Fields, Shape};
use super::lowering::Lowering;
use super::project::named;
use super::values::{boolean, choice, word_list, word_place};
use crate::expr::Text;
use crate::message::Bot;
use crate::workflow::UpdateContact;
use crate::workflow::yaml::Entry;

const UPDATE: Shape = Shape {
    what: "`update_contact`",
    keys: &["name", "add_tags", "remove_tags", "fields", "note", "assign_to", "team", "bot", "close_conversation"],
    later: &[],
    elsewhere: &[
        ("phone", "a person's number is not changed from here"),
        ("email", "write it as a custom field: `fields: { email: \"{{event.email}}\" }`"),
        ("text", "a message is a step of its own: `send_message`; for colleagues write `note:`"),
        ("if", "write it beside `update_contact:`, not below it"),
        ("id", "write it beside `update_contact:`, not below it"),
    ],
};

impl<'a> Lowering<'a> {
    pub(super) fn update_contact(&mut self, key: &'a Entry) -> Option<UpdateContact> {
        let fields = Fields::open(&mut self.report, &key.value, Some(key), &UPDATE)?;
        if fields.entries.is_empty() {
            let hint = "write what changes, such as `update_contact: { add_tags: [vip] }`";
            self.report.error("R202", &key.key_span, "`update_contact` changes nothing", hint);
        }
        let mut tags = |key: &str| {
            let Some(entry) = fields.get(key) else { return Vec::new() };
            let tags = word_list(&mut self.report, entry);
            self.report.check_tags(entry, &tags);
            tags
        };
        let (add_tags, remove_tags) = (tags("add_tags"), tags("remove_tags"));
        self.tags_apart(&fields, &add_tags, &remove_tags);
        let bots = [("start", Bot::Start), ("stop", Bot::Stop)];
        Some(UpdateContact {
            name: fields.get("name").and_then(|entry| self.required_text(entry)),
            add_tags,
            remove_tags,
            fields: fields.get("fields").map(|entry| self.custom_fields(entry)).unwrap_or_default(),
            note: fields.get("note").and_then(|entry| self.required_text(entry)),
            assign_to: fields.get("assign_to").and_then(|entry| self.collaborator(entry)),
            team: fields.get("team").and_then(|entry| self.team(entry)),
            bot: fields.get("bot").and_then(|entry| choice(&mut self.report, entry, &bots)),
            close_conversation: fields
                .get("close_conversation")
                .and_then(|entry| boolean(&mut self.report, entry))
                .unwrap_or(false),
        })
    }

    fn tags_apart(&mut self, fields: &Fields, added: &[String], removed: &[String]) {
        let both =
            removed.iter().find_map(|tag| Some((tag, added.iter().find(|other| other.eq_ignore_ascii_case(tag))?)));
        if let (Some((tag, other)), Some(entry)) = (both, fields.get("remove_tags")) {
            let message = match tag == other {
                true => format!("the tag `{tag}` is added and removed by the same step"),
                false => format!(
                    "the tag `{tag}` is added (as `{other}`) and removed by the same step: capitals make no difference"
                ),
            };
            let hint = "remove it from `add_tags` or from `remove_tags`";
            self.report.error("R204", word_place(entry, tag), message, hint);
        }
    }

    fn custom_fields(&mut self, entry: &'a Entry) -> Vec<(String, Text)> {
        let mut filled = Vec::new();
        for line in named(&mut self.report, entry, "Shoe size: \"{{event.size}}\"") {
            self.name_of("fields", line);
            filled.extend(self.text(&line.value, Holes::Fail).map(|text| (line.key.clone(), text)));
        }
        filled
    }

    /// An e-mail address, or `nobody`.
    fn collaborator(&mut self, entry: &'a Entry) -> Option<Text> {
        let text = self.required_text(entry)?;
        let literal = text.literal().filter(|literal| !is_bare_path(literal));
        if let Some(literal) = literal.filter(|literal| *literal != "nobody" && !is_email(literal)) {
            let hint = "write the e-mail address of a collaborator, or `nobody`; a team is `team:`";
            let message = format!("`{literal}` is not an e-mail address");
            self.report.error("R205", &entry.value.span, message, hint);
        } else {
            self.report.check_collaborator(entry, &text);
        }
        Some(text)
    }
}

fn is_email(text: &str) -> bool {
    let parts = text.split_once('@');
    parts.is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !text.contains(char::is_whitespace))
}
