//! Contacts and their lines (the window ledger). Who is known by another name is found through `aliases`.

use super::dialect::Statement;
use super::row::Row;
use super::unreadable::Table;
use super::{Cell, Rows, Store, Tx};
use crate::contact::{Contact, Line, Phone};
use anyhow::Context as _;

/// A contact with the number of its last change.
#[derive(Debug, Clone)]
pub struct ContactRow {
    pub contact: Contact,
    /// 0 = not stored yet.
    pub version: i64,
    /// The question that found it, when the contact itself does not show it: by an alias.
    pub found_as: Option<ContactKey>,
}

/// What identifies a person.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ContactKey {
    /// Callbell's uuid.
    Uuid(String),
    /// Digits, of the person's number or of one that the platform corrected.
    Phone(String),
    Bsuid(String),
    /// Another way to name a person: `telegram:<id>`. A number has its own key.
    Alias(String),
    /// Ours.
    Id(String),
}

/// Whoever any key identifies; the third column tells the name of one who is found by that.
static BY_KEYS: Statement = Statement::new(
    "with asked as (select r.kind, r.value from {rows: kind text, value text} r)
     select c.version, c.data, null from asked a join contact c on c.phone = a.value where a.kind = 'phone'
     union all
     select c.version, c.data, null from asked a join contact c on c.uuid = a.value where a.kind = 'uuid'
     union all
     select c.version, c.data, null from asked a join contact c on c.bsuid = a.value where a.kind = 'bsuid'
     union all
     select c.version, c.data, null from asked a join contact c on c.id = a.value where a.kind = 'id'
     union all
     select c.version, c.data, l.name from asked a
     join alias l on l.name = case a.kind when 'phone' then 'phone:' || a.value when 'alias' then a.value end
     join contact c on c.id = l.contact",
);

static UPSERT: Statement = Statement::new(
    "insert into contact (id, version, phone, uuid, bsuid, data)
     select id, version, phone, uuid, bsuid, data
     from {rows: id text, version bigint, phone text, uuid text, bsuid text, data text} r where true
     on conflict (id) do update set version = excluded.version, phone = excluded.phone, uuid = excluded.uuid,
        bsuid = excluded.bsuid, data = excluded.data where contact.version = excluded.version - 1",
);

/// Those that are as they were read. They stay so until the commit; who has them alone waits for who holds them, too.
static HELD: Statement = Statement::new(
    "select c.id from {rows: id text, version bigint} r join contact c on c.id = r.id and c.version = r.version
     order by c.id {share c}",
);
static HAD_ALONE: Statement = Statement::new(
    "select c.id from {rows: id text, version bigint} r join contact c on c.id = r.id and c.version = r.version
     order by c.id {lock c}",
);

static LINES: Statement = Statement::new(
    "select l.contact, l.channel, l.last_inbound_ms, l.refused_at_ms, l.asked_at_ms, l.tat_us, l.sent_at_ms
     from {rows: contact text} r join line l on l.contact = r.contact",
);

/// A bucket more than an hour ahead of what is written now is one of a clock that was ahead (`outbox::rates`).
static UPSERT_LINES: Statement = Statement::new(
    "insert into line (contact, channel, last_inbound_ms, refused_at_ms, asked_at_ms, tat_us, sent_at_ms)
     select contact, channel, last_inbound_ms, refused_at_ms, asked_at_ms, tat_us, sent_at_ms
     from {rows: contact text, channel text, last_inbound_ms bigint, refused_at_ms bigint, asked_at_ms bigint,
        tat_us bigint, sent_at_ms bigint} r where true
     on conflict (contact, channel) do update set
        last_inbound_ms = case when line.last_inbound_ms > excluded.last_inbound_ms then line.last_inbound_ms
            else coalesce(excluded.last_inbound_ms, line.last_inbound_ms) end,
        refused_at_ms = case when line.refused_at_ms > excluded.refused_at_ms then line.refused_at_ms
            else coalesce(excluded.refused_at_ms, line.refused_at_ms) end,
        asked_at_ms = coalesce(excluded.asked_at_ms, line.asked_at_ms),
        tat_us = case when line.tat_us is null or excluded.tat_us > line.tat_us then excluded.tat_us
            when line.tat_us > excluded.tat_us + 3600000000 then excluded.tat_us else line.tat_us end,
        sent_at_ms = coalesce(excluded.sent_at_ms, line.sent_at_ms)",
);

static ALL: Statement = Statement::new(
    "select c.version, c.data from contact c order by c.id desc limit (select n from {rows: n bigint} r)",
);

impl Tx<'_> {
    /// The contacts that any of these keys identify; one found by two keys may come twice.
    pub(crate) async fn contacts_by_keys(&mut self, keys: &[ContactKey]) -> anyhow::Result<Vec<ContactRow>> {
        let found = self.fetch(&BY_KEYS, asked(keys)).await?;
        Ok(self.readable(Table::Contact, &found, |row| found_by(row, keys)))
    }

    /// Writes contacts, each with the next version; fails when another writer was faster.
    pub(crate) async fn upsert_contacts(&mut self, contacts: &[ContactRow]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for ContactRow { contact, version, .. } in contacts {
            rows.push(&[
                (&contact.id).into(),
                (*version).into(),
                contact.phone.as_ref().map(|phone| phone.digits()).into(),
                contact.uuid.as_deref().into(),
                contact.bsuid.as_deref().into(),
                Cell::Text(&serde_json::to_string(contact)?),
            ]);
        }
        let written = self.write(&UPSERT, rows).await?;
        anyhow::ensure!(written == contacts.len() as u64, super::Moved);
        Ok(())
    }

    /// Makes sure that these contacts (id, version) are as they were read, and stay so until the commit: for work that begins
    /// for people, or (`alone`) for whoever ends all of it, after everybody who holds them. Fails when another writer was
    /// faster. Where there is no other writer nothing is asked.
    pub(crate) async fn hold_contacts(&mut self, read: &[(String, i64)], alone: bool) -> anyhow::Result<()> {
        if !self.dialect.is_shared() {
            return Ok(());
        }
        let mut rows = Rows::default();
        read.iter().for_each(|(id, version)| rows.push(&[id.into(), (*version).into()]));
        let held = self.fetch(if alone { &HAD_ALONE } else { &HELD }, rows).await?;
        anyhow::ensure!(held.len() == read.len(), super::Moved);
        Ok(())
    }

    /// The lines of these contacts, on every channel they have one.
    pub(crate) async fn lines(&mut self, contacts: &[String]) -> anyhow::Result<Vec<(String, String, Line)>> {
        let mut rows = Rows::default();
        contacts.iter().for_each(|id| rows.push(&[id.into()]));
        self.fetch(&LINES, rows).await?.iter().map(read_line).collect()
    }

    /// Writes lines; what is not known of one leaves what is stored, instants only move forward (another node may have been
    /// told of a later one), and a bucket is never refilled.
    pub(crate) async fn upsert_lines(&mut self, lines: &[(String, String, Line)]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for (contact, channel, line) in lines {
            rows.push(&[
                contact.into(),
                channel.into(),
                line.last_inbound_ms.into(),
                line.refused_at_ms.into(),
                line.asked_at_ms.into(),
                line.tat_us.into(),
                line.sent_at_ms.into(),
            ]);
        }
        self.write(&UPSERT_LINES, rows).await.map(drop)
    }
}

impl Store {
    /// The contacts of these ids, in no order.
    ///
    /// # Errors
    /// What the database said.
    pub async fn contacts_of(&self, ids: &[&str]) -> anyhow::Result<Vec<Contact>> {
        let ids: Vec<ContactKey> = ids.iter().map(|id| ContactKey::Id((*id).to_owned())).collect();
        self.read(&BY_KEYS, asked(&ids)).await?.iter().map(|row| read_contact(row).map(|row| row.contact)).collect()
    }

    /// The newest contacts, newest first.
    ///
    /// # Errors
    /// What the database said.
    pub async fn contacts(&self, most: u32) -> anyhow::Result<Vec<Contact>> {
        let mut rows = Rows::default();
        rows.push(&[most.into()]);
        self.read(&ALL, rows).await?.iter().map(|row| read_contact(row).map(|row| row.contact)).collect()
    }
}

impl Store {
    /// The person whom the first of these keys that anybody has identifies, with the lines they wrote on.
    ///
    /// # Errors
    /// What the database said.
    pub async fn contact(&self, keys: &[ContactKey]) -> anyhow::Result<Option<(Contact, Vec<(String, Line)>)>> {
        for key in keys {
            let found = self.read(&BY_KEYS, asked(std::slice::from_ref(key))).await?;
            // Whose own it is stands before who is known by it.
            let found: Vec<ContactRow> =
                found.iter().map(|row| found_by(row, std::slice::from_ref(key))).collect::<Result<_, _>>()?;
            if let Some(ContactRow { contact, .. }) = found.into_iter().min_by_key(|row| row.found_as.is_some()) {
                let mut rows = Rows::default();
                rows.push(&[(&contact.id).into()]);
                let lines = self.read(&LINES, rows).await?;
                let lines = lines.iter().map(read_line).map(|line| line.map(|(_, channel, line)| (channel, line)));
                return Ok(Some((contact, lines.collect::<anyhow::Result<_>>()?)));
            }
        }
        Ok(None)
    }
}

impl ContactKey {
    /// Everything that this number may be found by, the number itself first.
    pub fn of_phone(phone: &Phone) -> impl Iterator<Item = Self> + use<> {
        [Some(phone.digits().to_owned()), phone.variant()].into_iter().flatten().map(Self::Phone)
    }

    /// Its kind as the statement names it, and its value.
    fn column(&self) -> (&'static str, &str) {
        match self {
            Self::Phone(digits) => ("phone", digits),
            Self::Uuid(uuid) => ("uuid", uuid),
            Self::Bsuid(bsuid) => ("bsuid", bsuid),
            Self::Id(id) => ("id", id),
            Self::Alias(name) => ("alias", name),
        }
    }
}

fn asked(keys: &[ContactKey]) -> Rows {
    let mut rows = Rows::default();
    keys.iter().map(ContactKey::column).for_each(|(kind, value)| rows.push(&[kind.into(), value.into()]));
    rows
}

fn found_by(row: &Row, keys: &[ContactKey]) -> anyhow::Result<ContactRow> {
    let name: Option<String> = row.try_get(2)?;
    let found_as = name.and_then(|name| keys.iter().find(|key| key.alias().as_ref() == Some(&name)).cloned());
    Ok(ContactRow { found_as, ..read_contact(row)? })
}

fn read_contact(row: &Row) -> anyhow::Result<ContactRow> {
    let data: String = row.try_get(1)?;
    let contact = serde_json::from_str(&data).context("a stored contact is not readable")?;
    Ok(ContactRow { contact, version: row.try_get(0)?, found_as: None })
}

fn read_line(row: &Row) -> anyhow::Result<(String, String, Line)> {
    let line = Line {
        last_inbound_ms: row.try_get(2)?,
        refused_at_ms: row.try_get(3)?,
        asked_at_ms: row.try_get(4)?,
        tat_us: row.try_get(5)?,
        sent_at_ms: row.try_get(6)?,
    };
    Ok((row.try_get(0)?, row.try_get(1)?, line))
}
