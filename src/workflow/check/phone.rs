//! Phones that are written in a file: a number that nobody can have is told with one that a test may use.

use super::report::Report;
use crate::contact::{Phone, PhoneError};
use std::ops::Range;

/// Says so when a phone cannot be read.
pub(super) fn check_phone(report: &mut Report, span: &Range<usize>, phone: &str, region: Option<&str>) {
    let Err(error) = Phone::parse(phone, region) else { return };
    let (message, hint) = match (error, nobodys(phone, region, "a real one looks like")) {
        (_, Some(told)) => told,
        (PhoneError::National, None) => {
            let hint = "write it with its country: `+34…`, or set `phone_region` in `relance.yaml`";
            ("this phone number cannot be read", hint.to_owned())
        }
        (PhoneError::Invalid, None) => {
            ("this phone number cannot be read", "write it in international form: `+34600000001`".to_owned())
        }
    };
    report.error("R205", span, message, hint);
}

/// What is said of a number of the right length that nobody can have, and before an example of what may stand `there`;
/// `None` of any other number.
pub(super) fn nobodys(written: &str, region: Option<&str>, there: &str) -> Option<(&'static str, String)> {
    let example = Phone::in_place_of(written, region)?;
    let country = example.country().map(|code| format!(" of {code}")).unwrap_or_default();
    let hint = format!(
        "no operator{country} gives it out: such numbers are kept free, or for films and examples; \
         {there} `{}`",
        example.e164()
    );
    Some(("nobody can have this number", hint))
}
