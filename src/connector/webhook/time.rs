//! The five spellings of an instant in the vendor's bodies (reference §1.1).
//!
//! Pure. Invariant: a time that cannot be read, or lies ahead, is replaced by the time of reception and flagged.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

/// Clocks may differ by this much before a time is called wrong.
const AHEAD_MS: i64 = 5 * 60_000;
/// From here on a bare number counts milliseconds, below it seconds.
const FIRST_MILLISECOND: i64 = 1_000_000_000_000;

/// Unix milliseconds of an instant in any spelling of the vendor; `None` when it cannot be read.
pub fn read_time(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => from_number(number.as_i64().or_else(|| whole(number.as_f64()?))?),
        Value::String(text) => from_text(text.trim()),
        _ => None,
    }
}

/// When it happened by the platform's time, and whether the time of reception had to stand in.
pub(super) fn platform_time(value: &Value, received_ms: i64) -> (i64, bool) {
    match read_time(value) {
        Some(at_ms) if at_ms <= received_ms.saturating_add(AHEAD_MS) => (at_ms, false),
        _ => (received_ms, true),
    }
}

fn from_text(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse() {
        return from_number(number);
    }
    let instant: Option<Timestamp> = text.parse().ok();
    let spaced = || Timestamp::strptime("%Y-%m-%d %H:%M:%S %z", text).ok();
    let without_offset = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    instant.or_else(spaced).or_else(without_offset).map(Timestamp::as_millisecond).filter(|at_ms| *at_ms > 0)
}

fn from_number(number: i64) -> Option<i64> {
    match number {
        ..=0 => None,
        FIRST_MILLISECOND.. => Some(number),
        seconds => seconds.checked_mul(1000),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "bounded just before")]
fn whole(number: f64) -> Option<i64> {
    (number.is_finite() && number.abs() < 1e15).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_spellings_of_one_instant_are_the_same_instant() {
        let at_ms = 1_772_357_400_000;
        let spellings = [
            json!("2026-03-01T09:30:00Z"),
            json!("2026-03-01T10:30:00.000+01:00"),
            json!("2026-03-01 10:30:00 +0100"),
            json!("2026-03-01T09:30:00.000Z"),
            json!("2026-03-01T09:30:00"),
            json!("2026-03-01 09:30:00"),
            json!(1_772_357_400),
            json!("1772357400"),
            json!(1_772_357_400_000_i64),
            json!("1772357400000"),
            json!(1_772_357_400.0),
        ];
        for spelling in spellings {
            assert_eq!(read_time(&spelling), Some(at_ms), "{spelling}");
        }
    }

    #[test]
    fn an_unreadable_or_future_time_becomes_the_reception_and_is_flagged() {
        let now = 1_772_357_400_000;
        for wrong in [
            json!(null),
            json!(""),
            json!("yesterday"),
            json!(0),
            json!(-5),
            json!(true),
            json!(i64::MAX),
            json!(1e300),
        ] {
            assert_eq!(platform_time(&wrong, now), (now, true), "{wrong}");
        }
        assert_eq!(platform_time(&json!(now + 300_000), now), (now + 300_000, false));
        assert_eq!(platform_time(&json!(now + 300_001), now), (now, true));
        assert_eq!(platform_time(&json!(now - 86_400_000), now), (now - 86_400_000, false));
    }
}
