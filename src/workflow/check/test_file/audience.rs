//! `given: { audience: […] }`: the rows that a test has in the place of those of the audience's file.

use super::Reader;
use crate::workflow::Audience;
use crate::workflow::check::words::suggestion;
use crate::workflow::test_file::Rows;
use crate::workflow::yaml::{Entry, Kind, Node};

/// No contact of a test can have this name.
pub(super) const KEY: &str = "audience";
const ROWS: &str = "write its rows: `audience: [{ phone: \"+34600000001\", first_name: Ana }]`";

impl<'a> Reader<'a> {
    /// The rows, when `given` has some.
    pub(super) fn audience(&mut self, given: &'a Entry) -> Option<Rows> {
        let Kind::Map(entries) = &given.value.kind else { return None };
        let entry = entries.iter().find(|entry| entry.key == KEY)?;
        let file = self.list_under_test(entry)?;
        let Kind::List(items) = &entry.value.kind else {
            self.wrong(&entry.value.span, "`audience` must be a list of people", ROWS);
            return None;
        };
        let known = self.world.samples.audiences.get(&file).cloned();
        let columns = known.unwrap_or_else(|| named(items));
        let rows: Vec<Option<Vec<String>>> = items.iter().map(|item| self.row(item, &columns, &file)).collect();
        Some(Rows { rows: rows.into_iter().collect::<Option<_>>()?, columns, file })
    }

    /// The file that the workflow under test reads.
    fn list_under_test(&mut self, entry: &'a Entry) -> Option<String> {
        let file = |audience: &Audience| match audience {
            Audience::File(file) => Some(file.clone()),
            Audience::Tag(_) => None,
        };
        let mut files: Vec<String> =
            self.tested.as_ref()?.iter().filter_map(|workflow| file(workflow.audience.as_ref()?)).collect();
        files.dedup();
        if files.len() > 1 {
            let hint = "test them in a file each";
            self.wrong(&entry.key_span, "the workflows of this file read different lists of people", hint);
            return None;
        }
        if files.is_empty() {
            let hint = "remove `audience`, or write `audience: { file: audiences/members.csv }` in the workflow";
            self.wrong(&entry.key_span, "the workflow under test reads no list of people", hint);
        }
        files.pop()
    }

    /// The fields of a row in the order of the columns; what it leaves out is empty, as in a file.
    fn row(&mut self, item: &'a Node, columns: &[String], file: &str) -> Option<Vec<String>> {
        let Kind::Map(entries) = &item.kind else {
            self.wrong(&item.span, "a row of `audience` must be a map", ROWS);
            return None;
        };
        let mut row = vec![String::new(); columns.len()];
        let mut whole = true;
        for entry in entries {
            let column = columns.iter().position(|column| *column == entry.key);
            let text = match &entry.value.kind {
                Kind::Null => Some(String::new()),
                _ => self.text(entry).map(str::to_owned),
            };
            if column.is_none() {
                let names: Vec<&str> = columns.iter().map(String::as_str).collect();
                let message = format!("`{file}` has no column `{}`", entry.key);
                self.wrong(&entry.key_span, message, suggestion(&entry.key, &names));
            }
            whole &= column.is_some() && text.is_some();
            if let (Some(column), Some(text)) = (column, text) {
                row[column] = text;
            }
        }
        whole.then_some(row)
    }
}

/// The columns of a file that is not there: every name that a row has.
fn named(items: &[Node]) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for item in items {
        let Kind::Map(entries) = &item.kind else { continue };
        for entry in entries {
            if !columns.contains(&entry.key) {
                columns.push(entry.key.clone());
            }
        }
    }
    columns
}
