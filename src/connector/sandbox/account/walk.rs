//! Going through all contacts: pages, filters and cursors (reference §1.2, §10).
//!
//! Pure. Invariant: a walk by cursor shows every contact that was there when it began once, and none that came later.

use super::super::people::{Person, hash_uuid};
use super::Account;
use serde_json::{Value, json};

/// Contacts of a page.
const PAGE: usize = 20;
/// The vendor refuses contact pages beyond this one.
const LAST_PAGE: usize = 500;
/// Walks that can be gone on with at the same time.
const MOST_WALKS: usize = 16;

/// The order of all contacts when somebody began to go through them.
#[derive(Debug)]
pub(super) struct Walk {
    id: String,
    keys: Vec<String>,
}

/// Which contacts a list holds.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct ContactFilter {
    pub(in super::super) source: Option<String>,
    /// All of them, in any case.
    pub(in super::super) tags: Vec<String>,
    pub(in super::super) team_uuid: Option<String>,
}

/// Keys of a page's contacts, and its `meta`.
pub(super) type Batch = (Vec<String>, Value);

/// Why a list is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum CursorError {
    Limit,
    Cursor,
}

impl ContactFilter {
    fn fits(&self, person: &Person) -> bool {
        let has = |wanted: &String| person.tags.iter().any(|tag| tag.to_lowercase() == wanted.to_lowercase());
        self.source.as_deref().is_none_or(|source| source == person.source.word())
            && self.tags.iter().all(has)
            && self.team_uuid.as_ref().is_none_or(|uuid| person.team.as_ref() == Some(uuid))
    }
}

impl Account {
    /// One page, by number.
    ///
    /// # Errors
    /// For a page beyond the last one that the vendor gives.
    pub(in super::super) fn contact_page(&mut self, filter: &ContactFilter, page: usize) -> Result<Batch, CursorError> {
        if page > LAST_PAGE {
            return Err(CursorError::Limit);
        }
        let mut everyone: Vec<(&String, &Person)> = self.people.iter().collect();
        everyone.sort_by_key(|(_, person)| std::cmp::Reverse((person.active_ms, person.met)));
        let keys: Vec<String> = everyone.into_iter().map(|(key, _)| key.clone()).collect();
        let fitting: Vec<usize> = self.fitting(filter, &keys, 0).collect();
        let pages = fitting.len().div_ceil(PAGE).max(1);
        let start = (page - 1) * PAGE;
        let chosen: Vec<usize> = fitting.iter().skip(start).take(PAGE).copied().collect();
        let shown = chosen.iter().map(|index| keys[*index].clone()).collect();
        let next = match chosen.last() {
            Some(last) if start + PAGE < fitting.len() => Some(self.begin_walk(keys, last + 1)),
            _ => None,
        };
        Ok((shown, json!({ "page": page, "pages": pages, "next": next })))
    }

    /// The page behind a cursor.
    ///
    /// # Errors
    /// For a cursor that this account never gave, or gave too long ago.
    pub(in super::super) fn contact_batch(
        &mut self,
        filter: &ContactFilter,
        cursor: &str,
    ) -> Result<Batch, CursorError> {
        let (id, start) = self.read_cursor(cursor).ok_or(CursorError::Cursor)?;
        let walk = self.walks.iter().find(|walk| walk.id == id).ok_or(CursorError::Cursor)?;
        let fitting: Vec<usize> = self.fitting(filter, &walk.keys, start).take(PAGE + 1).collect();
        let shown = fitting.iter().take(PAGE).map(|index| walk.keys[*index].clone()).collect();
        let next = (fitting.len() > PAGE).then(|| self.cursor(&id, fitting[PAGE]));
        Ok((shown, json!({ "page": null, "pages": null, "next": next })))
    }

    /// Places of the contacts that fit, from `start` on; those deleted meanwhile are passed over.
    fn fitting<'a>(
        &'a self,
        filter: &'a ContactFilter,
        keys: &'a [String],
        start: usize,
    ) -> impl Iterator<Item = usize> + 'a {
        let rest = keys.iter().enumerate().skip(start);
        rest.filter(|(_, key)| self.people.get(*key).is_some_and(|person| filter.fits(person))).map(|(index, _)| index)
    }

    fn begin_walk(&mut self, keys: Vec<String>, start: usize) -> String {
        let id = self.new_uuid();
        self.walks.push_back(Walk { id: id.clone(), keys });
        if self.walks.len() > MOST_WALKS {
            self.walks.pop_front();
        }
        self.cursor(&id, start)
    }

    fn cursor(&self, id: &str, start: usize) -> String {
        let bare = format!("{id}.{start}");
        hex::encode(format!("{bare}.{}", hash_uuid(&format!("{}|{bare}", self.salt))))
    }

    fn read_cursor(&self, cursor: &str) -> Option<(String, usize)> {
        let text = String::from_utf8(hex::decode(cursor).ok()?).ok()?;
        let mut parts = text.split('.');
        let (id, start) = (parts.next()?.to_owned(), parts.next()?.parse().ok()?);
        (self.cursor(&id, start) == cursor).then_some((id, start))
    }
}
