//! Watch: whether the account should have been heard, when it is asked again, and what its log says of the webhook. Pure.
//!
//! Invariant: nothing is decided from what was heard before this process could have heard it.

use crate::connector::account::Posted;

pub(super) const MINUTE_MS: i64 = 60_000;
pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;
/// Silence of a live account that is told.
pub(super) const SILENCE_MS: i64 = 10 * MINUTE_MS;
/// The longest pause between two tries.
const LONGEST_MS: i64 = 6 * HOUR_MS;
/// The account disables a webhook that took nothing for so long.
const DISABLED_MS: i64 = 6 * HOUR_MS;
/// Clocks, ours and the account's, may differ by this much.
const SLACK_MS: i64 = 2 * MINUTE_MS;

/// Signs of life, Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signs {
    pub(super) started_ms: i64,
    /// The newest event or check within the last day.
    pub(super) heard_ms: Option<i64>,
    /// The first call since then that the account took: its echo and its statuses are owed.
    pub(super) sent_ms: Option<i64>,
}

/// Since when nothing was heard although something should have been; `None` while that is shorter than ten minutes.
pub(super) fn silent_since(signs: Signs, now_ms: i64) -> Option<i64> {
    let since = signs.heard_ms.or(signs.sent_ms)?.max(signs.started_ms);
    (now_ms - since >= SILENCE_MS).then_some(since)
}

/// What the account's log says of its webhook while nothing is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// Nothing for sure: whose webhook it is now, nobody knows.
    Quiet,
    /// The last post that was taken came to us, all since then failed, for as long as the account needs to disable it.
    Disabled,
    /// Somebody takes the posts, and it is not us.
    Elsewhere,
}

/// What relance itself knows of its webhook, Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ours {
    /// When relance made its address the account's webhook; `None` = it never did.
    pub(super) connected_ms: Option<i64>,
    /// The newest post of the account that was taken in.
    pub(super) posted_ms: Option<i64>,
    pub(super) silent_since_ms: i64,
}

/// Reads the newest post that the webhook took, and the newest that failed.
pub(super) fn says(taken: Option<&Posted>, failed: Option<&Posted>, ours: Ours, now_ms: i64) -> Says {
    let at_ms = |post: Option<&Posted>| post.and_then(|post| post.at_ms);
    let Some(taken_ms) = at_ms(taken) else { return Says::Quiet };
    if taken_ms > ours.posted_ms.unwrap_or(ours.silent_since_ms) + SLACK_MS {
        return Says::Elsewhere;
    }
    let (Some(connected_ms), Some(posted_ms)) = (ours.connected_ms, ours.posted_ms) else { return Says::Quiet };
    let came_to_us = taken_ms.min(posted_ms) >= connected_ms && taken_ms.abs_diff(posted_ms) <= SLACK_MS.unsigned_abs();
    let all_failed_since = at_ms(failed).is_some_and(|failed_ms| failed_ms > taken_ms);
    match came_to_us && all_failed_since && now_ms - posted_ms >= DISABLED_MS {
        true => Says::Disabled,
        false => Says::Quiet,
    }
}

/// How long until a failed try is made again: doubled each time, at most six hours.
pub(super) fn pause_ms(first_ms: i64, tries: u32) -> i64 {
    first_ms.saturating_mul(1_i64.checked_shl(tries.min(20)).unwrap_or(i64::MAX)).min(LONGEST_MS)
}

/// When the account is asked again what it holds: within the hour while something waits for its word, else about a day
/// later. `jitter`: any number, the same one in a life.
pub(super) fn next_refresh_ms(now_ms: i64, waits: bool, jitter: i64) -> i64 {
    match waits {
        true => now_ms + HOUR_MS,
        false => now_ms + DAY_MS - HOUR_MS / 2 + jitter.rem_euclid(HOUR_MS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn signs(started: i64, heard: Option<i64>, sent: Option<i64>) -> Signs {
        let ms = |minutes: i64| minutes * MINUTE_MS;
        Signs { started_ms: ms(started), heard_ms: heard.map(ms), sent_ms: sent.map(ms) }
    }

    #[test]
    fn silence_begins_where_something_was_owed_and_could_have_been_heard() {
        let at = |signs| silent_since(signs, 100 * MINUTE_MS).map(|ms| ms / MINUTE_MS);
        assert_eq!(at(signs(0, None, None)), None, "nothing is owed");
        assert_eq!(at(signs(0, Some(91), None)), None, "nine minutes");
        assert_eq!(at(signs(0, Some(90), None)), Some(90));
        assert_eq!(at(signs(95, Some(10), None)), None, "it was not there to hear");
        assert_eq!(at(signs(0, None, Some(92))), None, "the answer may still come");
        assert_eq!(at(signs(0, None, Some(80))), Some(80));
    }

    #[test]
    fn a_post_that_somebody_took_during_our_silence_went_elsewhere() {
        let post = |success, at_ms| Posted { event: "x".into(), payload: Value::Null, success, code: None, at_ms };
        let since = 100 * MINUTE_MS;
        let ours = Ours { connected_ms: Some(since - HOUR_MS), posted_ms: Some(since), silent_since_ms: since };
        let says = |taken: Option<i64>, failed: Option<i64>, ours, hours: i64| {
            let taken = taken.map(|minutes| post(true, Some(since + minutes * MINUTE_MS)));
            let failed = failed.map(|minutes| post(false, Some(since + minutes * MINUTE_MS)));
            super::says(taken.as_ref(), failed.as_ref(), ours, since + hours * HOUR_MS)
        };
        assert_eq!(says(Some(0), Some(5), ours, 6), Says::Disabled);
        assert_eq!(says(Some(0), Some(5), ours, 5), Says::Quiet, "the account has not disabled it yet");
        assert_eq!(says(Some(0), None, ours, 9), Says::Quiet, "a quiet log is no proof");
        assert_eq!(says(None, Some(5), ours, 9), Says::Quiet, "nothing says that it was ours");
        assert_eq!(says(Some(0), Some(-5), ours, 9), Says::Quiet, "the failure is older");
        assert_eq!(says(Some(60), Some(90), ours, 9), Says::Elsewhere, "somebody else's fails now");
        assert_eq!(says(Some(-60), Some(5), ours, 9), Says::Quiet, "what we took is not in the log");
        let never = Ours { connected_ms: None, ..ours };
        assert_eq!(says(Some(0), Some(5), never, 9), Says::Quiet, "entered by hand");
        let later = Ours { connected_ms: Some(since + MINUTE_MS), ..ours };
        assert_eq!(says(Some(0), Some(5), later, 9), Says::Quiet, "taken before it was connected");
        let unheard = Ours { posted_ms: None, ..ours };
        assert_eq!(says(Some(0), Some(5), unheard, 9), Says::Quiet);
        assert_eq!(says(Some(60), Some(90), unheard, 9), Says::Elsewhere);
        assert_eq!(super::says(Some(&post(true, None)), None, ours, since), Says::Quiet);
    }

    #[test]
    fn tries_are_bounded_and_a_refresh_falls_within_the_hour_around_a_day_later() {
        let pauses: Vec<i64> = (0..7).map(|tries| pause_ms(SILENCE_MS, tries) / MINUTE_MS).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 360]);
        assert_eq!(pause_ms(SILENCE_MS, u32::MAX), LONGEST_MS);
        for jitter in [i64::MIN, -1, 0, 7, i64::MAX] {
            let next = next_refresh_ms(0, false, jitter);
            assert!((DAY_MS - HOUR_MS / 2..=DAY_MS + HOUR_MS / 2).contains(&next), "{next}");
        }
        assert_eq!(next_refresh_ms(0, true, 9), HOUR_MS);
    }
}
