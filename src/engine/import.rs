//! Import: people of a file are written down, with what proves their consent. Pure over the unit.
//!
//! What a row does not say stays as it is. Invariant: an import never takes an identifier from another person, and never
//! lifts a withdrawal: consent given in a file stands beside it, and a withdrawal on record wins at the gate.

use super::audience::{DETAILS, agrees, column};
use super::change::{Change, Changed};
use super::evaluate::usable;
use super::unit::Unit;
use super::{Busy, Engine};
use crate::contact::{Consent, Contact, Phone};
use crate::store::contacts::ContactKey;
use serde_json::{Map, Value};

/// Rows of a file.
#[derive(Debug, Clone)]
pub struct Import {
    pub rows: Vec<ImportRow>,
    /// What proves their consent: the name of the file.
    pub source: String,
}

/// One person as a row of a file says.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportRow {
    /// The line it begins on, from 1.
    pub line: u64,
    uuid: Option<String>,
    phone: Option<Phone>,
    bsuid: Option<String>,
    details: Vec<(&'static str, String)>,
    consents: bool,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imported {
    Created,
    Updated,
    /// All of it was known.
    Unchanged,
}

impl Imported {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        }
    }
}

impl ImportRow {
    /// Reads the known columns. `region`: the country of national numbers.
    ///
    /// # Errors
    /// `bad_number` for a number that cannot be read, `no_contact` when nothing identifies anybody.
    pub fn read(line: u64, row: &Map<String, Value>, region: Option<&str>) -> Result<Self, &'static str> {
        let written = column(row, "phone");
        let phone = written.as_deref().and_then(|written| Phone::parse(written, region).ok());
        let detail = |name: &&'static str| {
            let value = column(row, name)?;
            usable(name, &Value::String(value.clone())).then_some((*name, value))
        };
        let read = Self {
            line,
            uuid: column(row, "uuid"),
            phone,
            bsuid: column(row, "bsuid"),
            details: DETAILS.iter().filter_map(detail).collect(),
            consents: agrees(row),
        };
        match (read.keys().is_empty(), written) {
            (false, Some(_)) if read.phone.is_none() => Err("bad_number"),
            (false, _) => Ok(read),
            (true, Some(_)) => Err("bad_number"),
            (true, None) => Err("no_contact"),
        }
    }

    /// What identifies the person; the uuid wins, then the number.
    pub fn keys(&self) -> Vec<ContactKey> {
        let uuid = self.uuid.clone().map(ContactKey::Uuid);
        let phone = self.phone.iter().flat_map(ContactKey::of_phone);
        uuid.into_iter().chain(phone).chain(self.bsuid.clone().map(ContactKey::Bsuid)).collect()
    }
}

impl Import {
    pub(super) fn keys(&self) -> Vec<ContactKey> {
        self.rows.iter().flat_map(ImportRow::keys).collect()
    }
}

impl Engine {
    /// Writes people of a file; what became of each row, in order.
    ///
    /// # Errors
    /// [`Busy`] when the store did not take it: nothing of it was kept.
    pub async fn import(&self, import: Import) -> Result<Vec<Imported>, Busy> {
        let Changed::Imported(rows) = self.change(Change::Import(Box::new(import))).await? else { return Err(Busy) };
        Ok(rows)
    }
}

/// Applies the rows to the people they are about.
pub(super) fn apply(import: &Import, unit: &mut Unit) -> Vec<Imported> {
    import.rows.iter().map(|row| write(row, &import.source, unit)).collect()
}

fn write(row: &ImportRow, source: &str, unit: &mut Unit) -> Imported {
    let known = row.keys().into_iter().find_map(|key| unit.contact_by(&[key]).cloned());
    let is_new = known.is_none();
    let before = known.unwrap_or_else(|| Contact { id: unit.clock.new_id(), ..Contact::default() });
    let mut contact = before.clone();
    identify(&mut contact, row, unit);
    for (name, value) in &row.details {
        let field = match *name {
            "name" => &mut contact.name,
            "first_name" => &mut contact.first_name,
            "email" => &mut contact.email,
            "language" => &mut contact.language,
            _ => &mut contact.timezone,
        };
        *field = Some(value.clone());
    }
    if row.consents && contact.consent.is_none() {
        let proof = format!("import {source}, line {}", row.line);
        contact.consent = Some(Consent { proof, at_ms: unit.now_ms });
    }
    if contact == before && !is_new {
        return Imported::Unchanged;
    }
    unit.put_contact(contact);
    if is_new { Imported::Created } else { Imported::Updated }
}

/// Gives a person the identifiers of the row that are still missing and that nobody else has.
fn identify(contact: &mut Contact, row: &ImportRow, unit: &Unit) {
    let free = |key: ContactKey| unit.contact_by(&[key]).is_none();
    if contact.uuid.is_none() {
        contact.uuid = row.uuid.clone().filter(|uuid| free(ContactKey::Uuid(uuid.clone())));
    }
    if contact.phone.is_none() {
        contact.phone = row.phone.clone().filter(|phone| free(ContactKey::Phone(phone.digits().into())));
    }
    if contact.bsuid.is_none() {
        contact.bsuid = row.bsuid.clone().filter(|bsuid| free(ContactKey::Bsuid(bsuid.clone())));
    }
}
