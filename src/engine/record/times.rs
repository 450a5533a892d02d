//! When things happened, as a test file writes it: its start in the workflow's zone, everything else after that.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A date and a time in that zone, to the second.
pub(super) fn start(at_ms: i64, zone: &TimeZone) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or_default();
    zone.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// So many seconds: `26h3m1s`, `0s`.
pub(super) fn length(seconds: i64) -> String {
    let parts = [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let written: String =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, unit)| format!("{number}{unit}")).collect();
    if written.is_empty() { "0s".into() } else { written }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_a_test_file_reads_them() {
        let zone = TimeZone::get("Europe/Paris").unwrap();
        assert_eq!(start(1_772_449_200_999, &zone), "2026-03-02 12:00:00");
        for (seconds, written) in [(0, "0s"), (59, "59s"), (3_600, "1h"), (7_261, "2h1m1s"), (93_600, "26h")] {
            assert_eq!(length(seconds), written);
        }
    }
}
