//! People of a scene: how the account and the store come to know them.
//!
//! Each by the way that serves: the account tells of a person, a file is imported, a person writes.

use super::play::Failure;
use super::stage::Scene;
use crate::connector::sandbox::Sandbox;
use crate::contact::Phone;
use crate::engine::calendar;
use crate::engine::import::{Import, ImportRow};
use crate::workflow::test_file::{Person, Rows, Test};
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use std::sync::Arc;

/// What a person wrote before the story began.
pub(super) const SAID: &str = "Hello";

/// When the person last wrote before the story, Unix milliseconds.
pub(super) fn wrote_ms(person: &Person, start_ms: i64, zone: &TimeZone) -> Option<i64> {
    person.last_message.map(|ago| calendar::shift(start_ms, ago, -1, zone))
}

/// The rows as the file that they stand for would hold them.
pub(super) fn list(rows: Option<&Rows>) -> anyhow::Result<Option<(String, Arc<[u8]>)>> {
    let Some(Rows { file, columns, rows }) = rows else { return Ok(None) };
    let mut written = csv::Writer::from_writer(Vec::new());
    for row in std::iter::once(columns).chain(rows) {
        written.write_record(row)?;
    }
    Ok(Some((file.clone(), written.into_inner()?.into())))
}

/// The account knows the person.
pub(super) fn introduce(sandbox: &Sandbox, person: &Person) -> anyhow::Result<()> {
    let name = person.name.clone().or_else(|| person.details.get("first_name").cloned());
    sandbox.put_person(&person.phone.e164(), name, Some(person.tags.clone()), person.custom.clone())
}

/// The person has these tags too.
pub(super) fn tag(sandbox: &Sandbox, of: &Phone, tags: &[String]) -> anyhow::Result<()> {
    let known = sandbox.people().into_iter().find(|person| person.phone == of.e164());
    let mut all = known.map(|person| person.tags).unwrap_or_default();
    all.extend(tags.iter().filter(|tag| !all.contains(tag)).cloned().collect::<Vec<_>>());
    sandbox.put_person(&of.e164(), None, Some(all), Map::new())
}

/// What is told has the numbers of the test's own people only: those of a list of the project are of real ones.
pub(super) fn mask_strangers(scene: &Scene<'_>, test: &Test, failures: &mut [Failure]) -> anyhow::Result<()> {
    if failures.is_empty() {
        return Ok(());
    }
    let contacts = scene.read(async |store| store.contacts(u32::MAX).await)?;
    let own = |phone: &Phone| test.people.values().any(|person| person.phone == *phone);
    let strangers: Vec<Phone> =
        contacts.into_iter().filter_map(|contact| contact.phone).filter(|phone| !own(phone)).collect();
    let mask = |text: &mut String| {
        for phone in strangers.iter().filter(|phone| text.contains(phone.digits())).collect::<Vec<_>>() {
            *text = text.replace(&phone.e164(), &phone.masked()).replace(phone.digits(), &phone.masked());
        }
    };
    for failure in failures {
        mask(&mut failure.message);
        mask(&mut failure.hint);
        failure.why.iter_mut().for_each(mask);
    }
    Ok(())
}

/// What the account does not hold of them, as a file that is imported; `None` = nothing.
pub(super) fn import(people: &[Person], region: Option<&str>) -> Option<Import> {
    let row = |(line, person): (u64, &Person)| {
        let mut row: Map<String, Value> =
            person.details.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
        row.insert("phone".into(), person.phone.e164().into());
        ImportRow::read(line, &row, region).ok()
    };
    let rows: Vec<ImportRow> =
        (1..).zip(people).filter(|(_, person)| !person.details.is_empty()).filter_map(row).collect();
    (!rows.is_empty()).then(|| Import { rows, source: "the test".into() })
}
