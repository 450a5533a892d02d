//! Window: whether a person may get plain text now. Pure.

use crate::contact::Line;

const HOUR_MS: i64 = 3_600_000;
/// How long a person's message keeps the window open.
pub const WINDOW_MS: i64 = 24 * HOUR_MS;
/// Kept free before the end: a message needs time to get there.
pub const MARGIN_MS: i64 = 2 * 60_000;

/// Open from the person's last message for 24 hours less the margin, unless a plain message was refused since.
pub fn open(line: Line, now_ms: i64) -> bool {
    let Some(last_inbound_ms) = line.last_inbound_ms else { return false };
    let refused_since = line.refused_at_ms.is_some_and(|refused_at_ms| refused_at_ms >= last_inbound_ms);
    now_ms < last_inbound_ms + WINDOW_MS - MARGIN_MS && !refused_since
}

/// The line after a message of the person at `at_ms` (platform time): it only moves forward.
pub fn after_inbound(line: Line, at_ms: i64) -> Line {
    Line { last_inbound_ms: Some(line.last_inbound_ms.map_or(at_ms, |known| known.max(at_ms))), ..line }
}

/// The line after a plain attempt, begun at `started_at_ms`, was refused because the window was closed.
pub fn after_refusal(line: Line, started_at_ms: i64) -> Line {
    Line { refused_at_ms: Some(line.refused_at_ms.map_or(started_at_ms, |known| known.max(started_at_ms))), ..line }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON_MS: i64 = 1_772_452_800_000;

    fn wrote_at(ms: i64) -> Line {
        Line { last_inbound_ms: Some(ms), ..Line::default() }
    }

    #[test]
    fn the_window_is_open_until_two_minutes_before_the_24_hours_are_over() {
        let line = wrote_at(NOON_MS);
        let end_ms = NOON_MS + 24 * HOUR_MS - MARGIN_MS;
        assert!(open(line, NOON_MS));
        assert!(open(line, end_ms - 1));
        assert!(!open(line, end_ms));
        assert!(!open(Line::default(), NOON_MS), "nobody knows of a message: closed");
    }

    #[test]
    fn a_refusal_closes_it_until_the_person_writes_again() {
        let refused = after_refusal(wrote_at(NOON_MS), NOON_MS + 1000);
        assert!(!open(refused, NOON_MS + 2000));
        assert!(!open(after_inbound(refused, NOON_MS + 900), NOON_MS + 2000), "an older message does not open it");
        assert!(open(after_inbound(refused, NOON_MS + 1001), NOON_MS + 2000));
    }

    #[test]
    fn a_late_event_never_moves_it_back() {
        assert_eq!(after_inbound(wrote_at(NOON_MS), NOON_MS - HOUR_MS), wrote_at(NOON_MS));
    }
}
