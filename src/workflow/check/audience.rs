//! `audience`: the list of people that a schedule goes through.

use super::fields::{Fields, Shape};
use super::lowering::Lowering;
use super::values::scalar;

impl<'a> Lowering<'a> {
    /// CSV of people: one run per row.
    pub(super) fn audience(&mut self, fields: &Fields<'a>) -> Option<String> {
        const AUDIENCE: Shape =
            Shape { what: "`audience`", keys: &["file"], later: &["tag", "all", "any"], elsewhere: &[] };
        let entry = fields.get("audience")?;
        if self.triggers.no_schedule {
            let hint = "remove it, or let `when` hold schedules only: only a schedule goes through a list of people";
            self.report.error("R204", &entry.key_span, "`audience` needs a schedule", hint);
        }
        let inner = Fields::open(&mut self.report, &entry.value, Some(entry), &AUDIENCE);
        let file = inner.as_ref().and_then(|inner| inner.get("file"));
        // Whoever is meant is unknown after a mistake here, and that was told.
        self.triggers.unknown |= file.is_none();
        let Some(file) = file else {
            if inner.is_some_and(|inner| !inner.refused) {
                let hint = "write `file: audiences/members.csv`";
                self.report.error("R202", &entry.key_span, "`audience` names no file", hint);
            }
            return None;
        };
        let path = scalar(&mut self.report, file, "a path such as `audiences/members.csv`")?;
        let inside = !path.starts_with('/')
            && !path.contains('\\')
            && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !inside || !path.ends_with(".csv") {
            let hint = "write a CSV file below `workflows/`, such as `audiences/members.csv`";
            self.report.error("R205", &file.value.span, format!("`{path}` is not the path of an audience"), hint);
            self.triggers.unknown = true;
            return None;
        }
        Some(path.to_owned())
    }
}
