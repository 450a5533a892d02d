//! `audience`: the people that a schedule goes through, of a file or by a tag of the account.

use super::fields::{Fields, Shape};
use super::lowering::Lowering;
use super::values::{scalar, word_list};
use crate::workflow::Audience;
use crate::workflow::yaml::Entry;

const AUDIENCE: Shape = Shape { what: "`audience`", keys: &["file", "tag"], later: &["all", "any"], elsewhere: &[] };

impl<'a> Lowering<'a> {
    /// One run per person.
    pub(super) fn audience(&mut self, fields: &Fields<'a>) -> Option<Audience> {
        let entry = fields.get("audience")?;
        if self.triggers.no_schedule {
            let hint = "remove it, or let `when` hold schedules only: only a schedule goes through a list of people";
            self.report.error("R204", &entry.key_span, "`audience` needs a schedule", hint);
        }
        let audience = self.read_audience(entry);
        // Whoever is meant is unknown after a mistake here, and that was told.
        self.triggers.unknown |= audience.is_none();
        if matches!(audience, Some(Audience::Tag(_))) {
            // The account knows them.
            self.triggers.needs_contact = None;
        }
        audience
    }

    fn read_audience(&mut self, entry: &Entry) -> Option<Audience> {
        let inner = Fields::open(&mut self.report, &entry.value, Some(entry), &AUDIENCE)?;
        match (inner.get("file"), inner.get("tag")) {
            (Some(file), None) => self.audience_file(file).map(Audience::File),
            (None, Some(tag)) => {
                let tags = word_list(&mut self.report, tag);
                self.report.check_tags(tag, &tags);
                Some(tags).filter(|tags| !tags.is_empty()).map(Audience::Tag)
            }
            (Some(_), Some(tag)) => {
                let hint = "keep the one that is meant";
                self.report.error("R204", &tag.key_span, "`tag` is not allowed beside `file`", hint);
                None
            }
            (None, None) => {
                if !inner.refused {
                    let hint = "write `file: audiences/members.csv`, or `tag: opted_in`";
                    self.report.error("R202", &entry.key_span, "`audience` names neither a file nor a tag", hint);
                }
                None
            }
        }
    }

    fn audience_file(&mut self, file: &Entry) -> Option<String> {
        let path = scalar(&mut self.report, file, "a path such as `audiences/members.csv`")?;
        let inside = !path.starts_with('/')
            && !path.contains('\\')
            && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !inside || !path.ends_with(".csv") {
            let hint = "write a CSV file below `workflows/`, such as `audiences/members.csv`";
            self.report.error("R205", &file.value.span, format!("`{path}` is not the path of an audience"), hint);
            return None;
        }
        Some(path.to_owned())
    }
}
