//! Questions and texts where they stand: parsed, placed in the file, and compared with what they can see.

use super::lowering::Lowering;
use crate::condition::Condition;
use crate::expr::{Kind as Gives, Mistake, Question, Text};
use crate::workflow::diagnostic::Edit;
use crate::workflow::yaml::{Entry, Kind, Node, Style};

/// What a question must give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    YesNo,
    Time,
    /// Text, number or yes/no.
    Identity,
}

/// What becomes of a text's holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holes {
    /// The step fails.
    Fail,
    /// The field is unknown then, which is fair.
    Fair,
}

impl<'a> Lowering<'a> {
    /// A condition: one line, a list (= all), or a map with `all`, `any` or `none`.
    pub(super) fn condition(&mut self, node: &'a Node) -> Condition {
        match &node.kind {
            Kind::Scalar { .. } => self.question(node, Expected::YesNo).map_or(Condition::Always, Condition::Question),
            Kind::List(items) if !items.is_empty() => Condition::All(self.conditions(items)),
            Kind::Map(entries) => match &entries[..] {
                [entry] if matches!(entry.key.as_str(), "all" | "any" | "none") => {
                    let Kind::List(items) = &entry.value.kind else {
                        let hint = format!("write one question per line below `{}:`, each after `- `", entry.key);
                        self.report.error("R205", &entry.key_span, format!("`{}` takes a list", entry.key), hint);
                        return Condition::Always;
                    };
                    let conditions = self.conditions(items);
                    match entry.key.as_str() {
                        "all" => Condition::All(conditions),
                        "any" => Condition::Any(conditions),
                        _ => Condition::None(conditions),
                    }
                }
                entries => {
                    self.not_a_group(node, entries);
                    Condition::Always
                }
            },
            Kind::List(_) | Kind::Null => {
                let hint = "write a question such as `event.total > 0`, or remove the key";
                self.report.error("R202", &node.span, "the condition is empty", hint);
                Condition::Always
            }
        }
    }

    fn not_a_group(&mut self, node: &Node, entries: &[Entry]) {
        let unknown = entries.iter().find(|entry| !matches!(entry.key.as_str(), "all" | "any" | "none"));
        match (unknown, entries.get(1)) {
            (Some(entry), _) => {
                let hint =
                    "write one line such as `event.total > 0`, a list of lines, or `all`, `any`, `none` with a list";
                let message = format!("unknown key in a condition: `{}`", entry.key);
                self.report.error("R201", &entry.key_span, message, hint);
            }
            (None, Some(second)) => {
                let hint = "put one into the list of the other: `all: [{ any: [ … ] }, { none: [ … ] }]`";
                let message = format!("a second group in the same condition: `{}`", second.key);
                self.report.error("R201", &second.key_span, message, hint);
            }
            (None, None) => {
                self.report.error(
                    "R202",
                    &node.span,
                    "the condition is empty",
                    "write a question such as `event.total > 0`",
                );
            }
        }
    }

    fn conditions(&mut self, items: &'a [Node]) -> Vec<Condition> {
        items.iter().map(|item| self.condition(item)).collect()
    }

    /// One CEL line.
    pub(super) fn question(&mut self, node: &Node, expected: Expected) -> Option<Question> {
        let Kind::Scalar { text, .. } = &node.kind else {
            let hint = "write one line such as `event.total > 0`, in quotes when it starts with a bracket";
            self.report.error("R205", &node.span, "a question is one line", hint);
            return None;
        };
        match Question::parse(text) {
            Err(mistakes) => {
                self.mistakes(node, mistakes);
                None
            }
            Ok(question) => {
                self.expect(node, &question, expected);
                let paths = question.paths();
                paths.iter().for_each(|used| self.check_path(node, used, None));
                self.asked_of_some(node, &paths);
                for comparison in question.comparisons() {
                    self.check_comparison(node, &comparison);
                }
                Some(question)
            }
        }
    }

    fn expect(&mut self, node: &Node, question: &Question, expected: Expected) {
        let gives = question.result_kind();
        let (fits, wanted, hint) = match expected {
            Expected::YesNo => (gives == Gives::Bool, "yes or no", "compare it with something: `event.total > 0`"),
            Expected::Time => {
                (matches!(gives, Gives::Time | Gives::Text), "a time", "name a field with a time: `event.starts_at`")
            }
            Expected::Identity => (
                matches!(gives, Gives::Text | Gives::Number | Gives::Bool),
                "a text or a number",
                "name a field that identifies what the run is about: `event.order_id`",
            ),
        };
        if !fits && gives != Gives::Unknown {
            let message = format!("this gives {}, and {wanted} is needed here", gives.shown());
            self.report.error("R310", &node.span, message, hint);
        }
    }

    /// A text to fill.
    pub(super) fn text(&mut self, node: &Node, holes: Holes) -> Option<Text> {
        let Kind::Scalar { text, style } = &node.kind else {
            self.not_a_text(node);
            return None;
        };
        // The last line break of a block is how YAML ends it, not a part of the message.
        let text = match style {
            Style::Literal | Style::Folded => text.trim_end_matches('\n'),
            _ => text.as_str(),
        };
        match Text::parse(text) {
            Err(mistakes) => {
                if let Some(rest) = without_mistakes(text, &mistakes) {
                    // Without its `{{#if}}` nobody knows what a field is guarded by.
                    let holes = if mistakes.iter().any(|one| is_block(text, one)) { Holes::Fair } else { holes };
                    rest.paths().iter().for_each(|used| self.check_path(node, used, Some(holes)));
                }
                self.mistakes(node, mistakes);
                None
            }
            Ok(parsed) => {
                if !self.report.accepted {
                    self.mistakes(node, parsed.doubts().to_vec());
                }
                self.check_tokens(node, text);
                if is_bare_path(text) {
                    let told = (format!("this sends the words `{}` as they are", text.trim()), to_fill(text));
                    self.report.warn_in("R308", node, &node.span, told);
                    self.put_in_braces(node, text);
                }
                for used in parsed.paths() {
                    self.check_path(node, &used, Some(holes));
                }
                Some(parsed)
            }
        }
    }

    /// Whether a number is meant and only the name of a field is written: nobody could be written to.
    pub(super) fn names_nobody(&mut self, node: &Node, what: &str) -> bool {
        let Kind::Scalar { text, .. } = &node.kind else { return false };
        let bare = is_bare_path(text);
        if bare {
            let message = format!("`{}` is no {what}: without braces it is not filled in", text.trim());
            self.report.error("R308", &node.span, message, to_fill(text));
            self.put_in_braces(node, text);
        }
        bare
    }

    fn put_in_braces(&mut self, node: &Node, text: &str) {
        let (path, before) = (text.trim(), text.len() - text.trim_start().len());
        let with = format!("{{{{{path}}}}}");
        self.report.fix(self.report.document.replace(node, before, path.len(), &with));
    }

    fn not_a_text(&mut self, node: &Node) {
        let written = self.report.document.written(&node.span).trim().to_owned();
        match &node.kind {
            Kind::Map(_) if written.starts_with('{') && !written.contains([':', '\n']) => {
                let inner: String = written.chars().filter(|c| !matches!(c, '{' | '}' | ' ')).collect();
                let hint = format!("write `\"{{{{{inner}}}}}\"`, with two braces and in quotes");
                self.report.error("R305", &node.span, "a field is named in two braces", hint);
                self.report.fix([Edit { span: node.span.clone(), with: format!("\"{{{{{inner}}}}}\"") }]);
            }
            Kind::Map(entries) => {
                let span = entries.first().map_or(&node.span, |entry| &entry.key_span);
                let hint = "put the text in quotes: `: ` inside makes YAML see a key";
                self.report.error("R104", span, "a text is needed here, and YAML sees a map", hint);
            }
            Kind::List(_) => {
                let hint = "write one text, in quotes when it starts with `[`";
                self.report.error("R205", &node.span, "a text is needed here, not a list", hint);
            }
            Kind::Null | Kind::Scalar { .. } => {
                self.report.error("R202", &node.span, "a text is missing here", "write it, or remove the key");
            }
        }
    }

    pub(super) fn mistakes(&mut self, node: &Node, mistakes: Vec<Mistake>) {
        for mistake in mistakes {
            let span = self.report.document.part_of(node, mistake.offset, mistake.len);
            let hint = match mistake.code {
                "R306" if self.in_value => "write the field, such as `{{event.order_number}}`".to_owned(),
                _ => mistake.hint,
            };
            self.report.error(mistake.code, &span, mistake.message, hint);
            let fix = mistake.fix.and_then(|fix| self.report.document.replace(node, fix.offset, fix.len, &fix.with));
            self.report.fix(fix);
        }
    }
}

/// The text with its faulty braces blanked out, so that the fields of the others are checked as well.
fn without_mistakes(text: &str, mistakes: &[Mistake]) -> Option<Text> {
    let mut rest = text.to_owned();
    for mistake in mistakes {
        let end = (mistake.offset + mistake.len).min(text.len());
        // The braces that the mistake stands in, or starts with.
        let around = text.get(..mistake.offset)?.rfind("{{");
        let around = around.filter(|open| !text[*open..mistake.offset].contains("}}"));
        let open = around.unwrap_or(mistake.offset);
        let braces = text.get(open..end)?.starts_with("{{") && !text[open..end].ends_with("}}");
        let after = text.get(end..)?.find("}}").filter(|at| !text[end..end + at].contains("{{"));
        let close = after.filter(|_| braces).map_or(end, |at| end + at + 2);
        rest.replace_range(open..close, &" ".repeat(close - open));
    }
    Text::parse(&rest).ok()
}

/// `{{#if …}}`, `{{/each}}`.
fn is_block(text: &str, mistake: &Mistake) -> bool {
    let written = text.get(mistake.offset..).unwrap_or_default();
    written.strip_prefix("{{").is_some_and(|inner| inner.trim_start_matches('~').starts_with(['#', '/', '^']))
}

fn to_fill(path: &str) -> String {
    format!("write `\"{{{{{}}}}}\"` to fill it in", path.trim())
}

/// The whole text is `event.total`: braces were forgotten.
pub(super) fn is_bare_path(text: &str) -> bool {
    let mut parts = text.trim().split('.');
    let root = parts.next().is_some_and(|root| matches!(root, "event" | "contact" | "steps" | "vars" | "workflow"));
    let mut fields = 0;
    let formed = parts.all(|part| {
        fields += 1;
        !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    });
    root && formed && fields > 0
}
