//! `wait_for_reply`: a question's answers, and what happens without one.

use super::fields::{Fields, Shape};
use super::heard::Heard;
use super::lowering::Lowering;
use super::values::waiting;
use crate::workflow::yaml::{Entry, Kind, Node};
use crate::workflow::{Reply, WaitForReply};

const QUESTION: Shape = Shape {
    what: "`wait_for_reply`",
    keys: &["for", "replies", "otherwise", "no_reply"],
    later: &[],
    elsewhere: &[
        ("is", "write it in a reply: `replies: [{ is: [yes], do: […] }]`"),
        ("contains", "write it in a reply: `replies: [{ contains: [price], do: […] }]`"),
        ("starts_with", "write it in a reply: `replies: [{ starts_with: [order], do: […] }]`"),
        ("matches", "write it in a reply: `replies: [{ matches: …, do: […] }]`"),
        ("has", "write it in a reply: `replies: [{ has: image, do: […] }]`"),
        ("do", "write it in a reply, under `otherwise:` or under `no_reply:`"),
        ("text", "ask with a `send_message` before it"),
    ],
};
const REPLY: Shape = Shape {
    what: "a reply",
    keys: &["is", "starts_with", "contains", "matches", "has", "do"],
    later: &[],
    elsewhere: &[("if", "ask in a `branch` below its `do:`")],
};

impl<'a> Lowering<'a> {
    pub(super) fn wait_for_reply(&mut self, key: &'a Entry, path: &str) -> Option<WaitForReply> {
        if matches!(key.value.kind, Kind::Scalar { .. }) {
            let hint = format!("write `wait_for_reply: {{ for: {} }}`, with `replies:` below it", self.written(key));
            self.report.error("R205", &key.value.span, "`wait_for_reply` must be a map", hint);
            return None;
        }
        let fields = Fields::open(&mut self.report, &key.value, Some(key), &QUESTION)?;
        let hint = "write how long an answer is waited for, such as `for: 20h`";
        let lasts = fields.required(&mut self.report, "for", hint).and_then(|entry| waiting(&mut self.report, entry));
        let answered = match &self.heard {
            Heard::Ended => Heard::Ended,
            _ => Heard::Answer(self.asked_on.clone()),
        };
        let mut ways = self.ways();
        let mut replies = Vec::new();
        for (at, item) in self.reply_items(&fields).iter().enumerate() {
            self.heard = answered.clone();
            if let Some(reply) = self.reply(item, &format!("{path}.replies.{at}.do")) {
                self.after_same_words(&replies, &reply, item);
                replies.push(reply);
            }
            ways.end(self);
        }
        let otherwise = fields.get("otherwise").map(|entry| {
            self.heard = answered.clone();
            let steps = self.step_list(entry, &format!("{path}.otherwise"));
            ways.end(self);
            steps
        });
        self.heard.silence();
        let no_reply = fields.get("no_reply").map(|entry| self.step_list(entry, &format!("{path}.no_reply")));
        ways.end(self);
        ways.meet(self);
        Some(WaitForReply { lasts: lasts?, replies, otherwise, no_reply: no_reply.unwrap_or_default() })
    }

    fn written(&self, key: &Entry) -> String {
        self.report.document.written(&key.value.span).trim().to_owned()
    }

    fn reply_items(&mut self, fields: &Fields<'a>) -> &'a [Node] {
        let Some(entry) = fields.get("replies") else { return &[] };
        match &entry.value.kind {
            Kind::List(items) if !items.is_empty() => items,
            _ => {
                let hint = "write a list below it, such as `- { is: [ok], do: [ … ] }`";
                self.report.error("R202", &entry.key_span, "`replies` must be a list that is not empty", hint);
                &[]
            }
        }
    }

    fn reply(&mut self, item: &'a Node, list: &str) -> Option<Reply> {
        let fields = Fields::open(&mut self.report, item, None, &REPLY)?;
        let matchers = fields.entries.iter().any(|entry| entry.key != "do");
        if !matchers && !fields.refused {
            let hint =
                "write which answers: `is: [\"yes\", ok]`; what happens with any other stands under `otherwise:`";
            self.report.error("R202", &fields.place, "the reply matches nothing", hint);
        }
        let pattern = self.pattern_of(&fields);
        let steps = self.steps_of(&fields, "do", list);
        Some(Reply { pattern, steps })
    }
}
