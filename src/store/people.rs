//! People: what is held about a person, and its erasure.
//!
//! Erasing keeps ids, states and the consent ledger. It is done in parts that may each be done again: events by their
//! ids, everything else by the contact's. Invariant: after both, no number, name or text of the person is left.

use super::deliveries::{DeliveryRow, delivery_columns, read_delivery};
use super::dialect::Statement;
use super::row::Row;
use super::{Cell, Rows, Store, Tx};

/// An event, and what a look at it tells of a person.
#[derive(Debug, Clone)]
pub struct AboutRow {
    pub id: String,
    pub about: About,
    /// What it says, where nothing but the digits of a number tells that it is about them: whether it is one is for who
    /// reads it to see.
    pub text: Option<String>,
}

/// What an event has to do with a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Nothing,
    /// It is about them and nobody else: they or their runs, or nobody's and with one of their numbers.
    Them,
    /// It is about them, and a run of somebody else stands on it.
    Several,
    /// It is about somebody else, and holds one of their numbers.
    Another,
}

/// A page of all events by their ids. Nothing finds events by their person: it would cost every event something, for a
/// question that is asked once in a while. Numbers are looked for without what may stand between their digits.
static ABOUT: Statement = Statement::new(
    "with asked as (select max(r.contact) as contact, max(r.last) as last, max(r.n) as n
        from {rows: contact text, last text, n bigint, number text} r)
     select q.id, q.word, case when q.word > 2 then q.data end from (select p.id, p.data, case
        when p.contact = a.contact or exists (select 1 from run u where u.event = p.id and u.contact = a.contact)
            then case when exists (select 1 from run u where u.event = p.id and u.contact <> a.contact) then 2 else 1 end
        when not exists (select 1 from {rows: contact text, last text, n bigint, number text} m
            where p.written like m.number) then 0
        when p.contact is not null or exists (select 1 from run u where u.event = p.id) then 4
        else 3 end as word
     from asked a, (select e.id, e.contact, e.data, replace(replace(replace(replace(replace(replace(replace(replace(
            e.data, ' ', ''), '-', ''), '.', ''), '(', ''), ')', ''), '/', ''), '\u{a0}', ''), '\u{202f}', '') as written
        from event e where e.id > (select last from asked) order by e.id limit (select n from asked)) p) q
     order by q.id",
);

static KEYS_WITH_NUMBERS: Statement = Statement::new(
    "update event set dedupe_key = null from {rows: id text, number text} r
     where event.id = r.id and event.dedupe_key like r.number",
);

/// What is left of data, and of a message.
const NOTHING: &str = "{}";

/// A reason of one word says nothing of the person; a sentence may.
macro_rules! erased_reason {
    ($table:literal) => {
        concat!("case when ", $table, ".reason like '% %' then '' else ", $table, ".reason end")
    };
}

static ERASE_EVENTS: Statement = Statement::new(
    "update event set data = r.blank, body_hash = '' from {rows: id text, blank text} r where event.id = r.id",
);
static EVALUATIONS: Statement =
    Statement::new("select e.id, e.evaluations from event e join {rows: id text} r on r.id = e.id");
static ERASE_EVALUATIONS: Statement = Statement::new(
    "update event set evaluations = r.evaluations from {rows: id text, evaluations text} r where event.id = r.id",
);
static FILES: Statement =
    Statement::new("select a.hash from attachment a join {rows: event text} r on a.event = r.event");
static FORGET_FILES: Statement =
    Statement::new("delete from attachment where event in (select event from {rows: event text} r)");
static FILES_IN_USE: Statement =
    Statement::new("select distinct a.hash from attachment a join {rows: hash text} r on a.hash = r.hash");
static FORGET_RELAYS: Statement =
    Statement::new("delete from relay where event in (select event from {rows: event text} r)");

static ERASE_RUNS: Statement = Statement::new(concat!(
    "update run set fence = run.fence + 1, progress = r.blank,
        turn = case when run.ended_at_ms is null then run.turn end, reason = ",
    erased_reason!("run"),
    " from {rows: contact text, blank text} r where run.contact = r.contact"
));
static ERASE_DELIVERIES: Statement = Statement::new(concat!(
    "update delivery set message = r.blank, probable = null, reason = ",
    erased_reason!("delivery"),
    " from {rows: contact text, blank text} r
     where delivery.contact = r.contact or delivery.run in (select u.id from run u where u.contact = r.contact)"
));
static ERASE_ATTEMPTS: Statement = Statement::new(
    "update attempt set error = null where error is not null and delivery in (select d.id from delivery d
        where d.contact in (select contact from {rows: contact text} r)
            or d.run in (select u.id from run u where u.contact in (select contact from {rows: contact text} s)))",
);
static FORGET_RELAYED_MESSAGES: Statement = Statement::new(
    "delete from relay where event in (select d.id from delivery d
        where d.contact in (select contact from {rows: contact text} r))",
);
static FORGET_CALLS: Statement = Statement::new(
    "delete from call where run in (select u.id from run u where u.contact in (select contact from {rows: contact text} r))",
);
static FORGET_SUBJECTS: Statement = Statement::new(
    "delete from subject where run in (select u.id from run u
        where u.contact in (select contact from {rows: contact text} r))",
);
static FORGET_NAMES: Statement =
    Statement::new("delete from alias where contact in (select contact from {rows: contact text} r)");
static FORGET_LINES: Statement =
    Statement::new("delete from line where contact in (select contact from {rows: contact text} r)");
static FORGET_EARLY: Statement = Statement::new(
    "delete from early_status where exists (select 1 from {rows: number text} r
        where early_status.event like r.number)",
);

static NAMES: Statement =
    Statement::new("select a.name from {rows: contact text} r join alias a on a.contact = r.contact order by a.name");

/// The digits of a person's numbers as a text is searched for them.
#[derive(Debug, Clone, Default)]
pub struct Numbers(Vec<String>);

impl Numbers {
    pub fn new(digits: impl IntoIterator<Item = String>) -> Self {
        let mut patterns: Vec<String> = digits.into_iter().map(|digits| format!("%{digits}%")).collect();
        patterns.sort();
        patterns.dedup();
        Self(patterns)
    }
}

static OF_CONTACT: Statement = Statement::new(concat!(
    "select ",
    delivery_columns!(),
    " from delivery d, {rows: contact text, n bigint} r where d.contact = r.contact
     order by d.id desc limit (select n from {rows: contact text, n bigint} q)"
));

impl Tx<'_> {
    /// A page of events: as [`Store::events_about`].
    pub(crate) async fn events_about(
        &mut self,
        contact: &str,
        numbers: &Numbers,
        after: &str,
        most: u32,
    ) -> anyhow::Result<Vec<AboutRow>> {
        self.fetch(&ABOUT, about(contact, numbers, after, most)).await?.iter().map(read_about).collect()
    }

    /// Clears the keys of events that hold a number.
    pub(crate) async fn clear_keys_with(&mut self, events: &[String], numbers: &Numbers) -> anyhow::Result<()> {
        let mut keys = Rows::default();
        for id in events {
            numbers.0.iter().for_each(|number| keys.push(&[id.into(), number.into()]));
        }
        self.write(&KEYS_WITH_NUMBERS, keys).await.map(drop)
    }

    /// Erases what events hold: data, files, bodies on their way to others, and keys with a number in them. Their
    /// evaluations keep what started, without reasons. The hashes of files that nobody has any more come back.
    pub(crate) async fn erase_events(&mut self, events: &[String], numbers: &Numbers) -> anyhow::Result<Vec<String>> {
        let of_events = || {
            let mut rows = Rows::default();
            events.iter().for_each(|id| rows.push(&[id.into()]));
            rows
        };
        let mut evaluations = Rows::default();
        for row in self.fetch(&EVALUATIONS, of_events()).await? {
            let (id, text): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            evaluations.push(&[id.as_str().into(), Cell::Text(&without_reasons(&text)?)]);
        }
        self.write(&ERASE_EVALUATIONS, evaluations).await?;
        let mut data = Rows::default();
        events.iter().for_each(|id| data.push(&[id.into(), NOTHING.into()]));
        self.write(&ERASE_EVENTS, data).await?;
        self.clear_keys_with(events, numbers).await?;
        self.write(&FORGET_RELAYS, of_events()).await?;
        let files = self.fetch(&FILES, of_events()).await?;
        self.write(&FORGET_FILES, of_events()).await?;
        let mut hashes: Vec<String> = Vec::new();
        for row in files {
            hashes.extend(row.try_get::<Option<String>>(0)?);
        }
        let mut rows = Rows::default();
        hashes.iter().for_each(|hash| rows.push(&[hash.into()]));
        let in_use = ids(&self.fetch(&FILES_IN_USE, rows).await?)?;
        hashes.retain(|hash| !in_use.contains(hash));
        Ok(hashes)
    }

    /// Erases what everything but events and the contact's own row holds of a person.
    pub(crate) async fn erase_person(&mut self, contact: &str, numbers: &Numbers) -> anyhow::Result<()> {
        for statement in
            [&FORGET_RELAYED_MESSAGES, &ERASE_ATTEMPTS, &FORGET_CALLS, &FORGET_SUBJECTS, &FORGET_NAMES, &FORGET_LINES]
        {
            let mut rows = Rows::default();
            rows.push(&[contact.into()]);
            self.write(statement, rows).await?;
        }
        let no_progress = serde_json::to_string(&crate::run::Progress::default())?;
        for (statement, nothing) in [(&ERASE_DELIVERIES, NOTHING), (&ERASE_RUNS, no_progress.as_str())] {
            let mut rows = Rows::default();
            rows.push(&[contact.into(), nothing.into()]);
            self.write(statement, rows).await?;
        }
        let mut rows = Rows::default();
        numbers.0.iter().for_each(|number| rows.push(&[number.into()]));
        self.write(&FORGET_EARLY, rows).await.map(drop)
    }

    /// The other names of a person.
    pub(crate) async fn names_of(&mut self, contact: &str) -> anyhow::Result<Vec<String>> {
        let mut rows = Rows::default();
        rows.push(&[contact.into()]);
        ids(&self.fetch(&NAMES, rows).await?)
    }
}

impl Store {
    /// The newest deliveries to a person, newest first.
    ///
    /// # Errors
    /// What the database said.
    pub async fn deliveries_of(&self, contact: &str, most: u32) -> anyhow::Result<Vec<DeliveryRow>> {
        let mut rows = Rows::default();
        rows.push(&[contact.into(), most.into()]);
        self.read(&OF_CONTACT, rows).await?.iter().map(read_delivery).collect()
    }

    /// A page of all events behind an id, each with what it has to do with the person.
    ///
    /// # Errors
    /// What the database said.
    pub async fn events_about(
        &self,
        contact: &str,
        numbers: &Numbers,
        after: &str,
        most: u32,
    ) -> anyhow::Result<Vec<AboutRow>> {
        self.read(&ABOUT, about(contact, numbers, after, most)).await?.iter().map(read_about).collect()
    }

    /// The other names of a person: `phone:<digits>`, `telegram:<id>`.
    ///
    /// # Errors
    /// What the database said.
    pub async fn names_of(&self, contact: &str) -> anyhow::Result<Vec<String>> {
        let mut rows = Rows::default();
        rows.push(&[contact.into()]);
        ids(&self.read(&NAMES, rows).await?)
    }
}

fn about(contact: &str, numbers: &Numbers, after: &str, most: u32) -> Rows {
    let mut rows = Rows::default();
    let mut push = |number: Option<&str>| rows.push(&[contact.into(), after.into(), most.into(), number.into()]);
    match numbers.0.is_empty() {
        true => push(None),
        false => numbers.0.iter().for_each(|number| push(Some(number))),
    }
    rows
}

fn read_about(row: &Row) -> anyhow::Result<AboutRow> {
    let (about, by_number) = match row.try_get::<i64>(1)? {
        1 => (About::Them, false),
        2 => (About::Several, false),
        3 => (About::Them, true),
        4 => (About::Another, true),
        _ => (About::Nothing, false),
    };
    let text = if by_number { Some(row.try_get(2)?) } else { None };
    Ok(AboutRow { id: row.try_get(0)?, about, text })
}

fn ids(rows: &[Row]) -> anyhow::Result<Vec<String>> {
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// What an event came to, without the sentences that say why.
fn without_reasons(evaluations: &str) -> anyhow::Result<String> {
    let mut list: Vec<crate::event::Evaluation> = serde_json::from_str(evaluations)?;
    list.iter_mut().filter(|one| one.reason.contains(' ')).for_each(|one| one.reason.clear());
    Ok(serde_json::to_string(&list)?)
}
