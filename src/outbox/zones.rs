//! Zones: where the recipient of a message may be, told by what is known of the person. Pure.
//!
//! The table of countries is the time zone database's own (`zone.tab`, in the public domain), as the crate that reads
//! clocks has none. Invariant: whoever's zone is known only by country is in all the zones of it at once.

use crate::contact::Contact;
use crate::rules::Rules;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use std::collections::HashMap;
use std::sync::LazyLock;

static TABLE: &str = include_str!("zone.tab");

/// Country, as two letters → its zones.
static COUNTRIES: LazyLock<HashMap<&str, Vec<TimeZone>>> = LazyLock::new(|| {
    let mut countries = HashMap::<_, Vec<_>>::new();
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let mut columns = line.split('\t');
        if let (Some(country), Some(name)) = (columns.next(), columns.nth(1))
            && let Ok(zone) = TimeZone::get(name)
        {
            countries.entry(country).or_default().push(zone);
        }
    }
    countries
});

/// The country that a zone lies in, as two letters.
pub fn country_of(zone: &str) -> Option<&'static str> {
    TABLE.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut columns = line.split('\t');
        let country = columns.next()?;
        (columns.nth(1) == Some(zone)).then_some(country)
    })
}

/// Months over which two clocks are compared.
const MONTHS: i64 = 24;

/// The zones that the recipient may be in (`language.md` §10.3): the person's own; else the workflow's, when it is one of the
/// zones of the country of the phone; else all of that country's. No country known: the workflow's.
pub fn of_recipient(rules: &Rules, contact: &Contact, now_ms: i64) -> Vec<TimeZone> {
    let known = rules.given_zone.as_deref().or(contact.timezone.as_deref());
    if let Some(zone) = known.and_then(|name| TimeZone::get(name).ok()) {
        return vec![zone];
    }
    let workflow = || TimeZone::get(&rules.zone).unwrap_or(TimeZone::UTC);
    let country = contact.phone.as_ref().and_then(|phone| phone.country());
    let Some(zones) = country.and_then(|country| COUNTRIES.get(country.as_str())) else { return vec![workflow()] };
    let workflow = workflow();
    match zones.iter().any(|zone| same_place(&workflow, zone, now_ms)) {
        true => vec![workflow],
        false => zones.clone(),
    }
}

/// By name. An older name of a zone (`Europe/Kiev`, `US/Eastern`) is not in the table: it is the zone whose clock it shares.
fn same_place(written: &TimeZone, listed: &TimeZone, now_ms: i64) -> bool {
    written.iana_name() == listed.iana_name() || (!is_listed(written) && same_clock(written, listed, now_ms))
}

fn is_listed(zone: &TimeZone) -> bool {
    let listed = || COUNTRIES.values().flatten();
    zone.iana_name().is_some_and(|name| listed().any(|zone| zone.iana_name() == Some(name)))
}

fn same_clock(one: &TimeZone, other: &TimeZone, now_ms: i64) -> bool {
    let Ok(now) = Timestamp::from_millisecond(now_ms) else { return false };
    let month = |n: i64| now.checked_add((n * 30 * 24).hours()).unwrap_or(now);
    (0..MONTHS).map(month).all(|at| one.to_offset(at) == other.to_offset(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::Phone;
    use crate::outbox::samples::NOON;

    fn zones(phone: &str, own: Option<&str>, given: Option<&str>, workflow: &str) -> Vec<String> {
        let phone = Phone::parse(phone, None).ok();
        let contact = Contact { phone, timezone: own.map(str::to_owned), ..Contact::default() };
        let rules = Rules { zone: workflow.into(), given_zone: given.map(str::to_owned), ..Rules::default() };
        let found = of_recipient(&rules, &contact, NOON);
        found.iter().map(|zone| zone.iana_name().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn the_most_that_is_known_of_where_a_person_is_decides() {
        const SPAIN: &str = "+34600000001";
        assert_eq!(zones(SPAIN, Some("Asia/Tokyo"), None, "Europe/Madrid"), ["Asia/Tokyo"]);
        assert_eq!(zones(SPAIN, Some("Asia/Tokyo"), Some("Asia/Seoul"), "Europe/Madrid"), ["Asia/Seoul"]);
        assert_eq!(zones(SPAIN, Some("Mars/Base"), None, "Europe/Madrid"), ["Europe/Madrid"]);
        assert_eq!(zones(SPAIN, None, None, "Atlantic/Canary"), ["Atlantic/Canary"]);
        // From Paris nobody can tell whether somebody of Spain is on the Canary Islands.
        assert_eq!(zones(SPAIN, None, None, "Europe/Paris"), ["Europe/Madrid", "Africa/Ceuta", "Atlantic/Canary"]);
        assert_eq!(zones("+33612345678", None, None, "America/New_York"), ["Europe/Paris"]);
        assert_eq!(zones("", None, None, "Europe/Paris"), ["Europe/Paris"]);
        assert_eq!(zones("+80012345678", None, None, "Europe/Paris"), ["Europe/Paris"], "a number of no country");
    }

    #[test]
    fn a_country_may_have_many_zones_and_one_calling_code_many_countries() {
        assert!(zones("+525512345678", None, None, "Europe/Madrid").len() > 5, "Mexico");
        assert_eq!(zones("+525512345678", None, None, "America/Mexico_City"), ["America/Mexico_City"]);
        let states = zones("+12025550173", None, None, "Europe/Madrid");
        let has = |name: &str| states.iter().any(|zone| zone == name);
        assert!(has("America/New_York") && has("Pacific/Honolulu") && !has("America/Toronto"), "{states:?}");
        assert_eq!(zones("+17872345678", None, None, "Europe/Madrid"), ["America/Puerto_Rico"]);
    }

    #[test]
    fn an_old_name_of_a_zone_is_the_zone() {
        assert_eq!(zones("+380501234567", None, None, "Europe/Kiev"), ["Europe/Kiev"]);
        assert_eq!(zones("+12025550173", None, None, "US/Eastern"), ["US/Eastern"]);
        assert!(zones("+34600000001", None, None, "US/Eastern").len() == 3);
    }

    #[test]
    fn the_table_is_read_whole() {
        assert!(COUNTRIES.len() > 240, "{}", COUNTRIES.len());
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(COUNTRIES.values().flatten().count(), lines, "every zone of the table is known to the clock");
    }
}
