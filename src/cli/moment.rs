//! Moment: instants of the API's answers as the project's people read them. Pure.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

/// Writes instants in the zone of the project that answered.
#[derive(Debug, Clone)]
pub(super) struct Moments(TimeZone);

impl Moments {
    /// `answer`: names its `zone`; one of an older server does not, and is shown in UTC.
    pub(super) fn of(answer: &Value) -> Self {
        Self(answer["zone"].as_str().and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC))
    }

    /// `2026-03-02 10:00:12`; what is no instant stays as it is.
    pub(super) fn at(&self, instant: &Value) -> String {
        let written = instant.as_str().unwrap_or_default();
        let read = written.parse::<Timestamp>();
        read.map_or_else(|_| written.to_owned(), |at| self.0.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::Moments;
    use serde_json::json;

    #[test]
    fn an_instant_is_written_in_the_zone_of_the_project_without_its_milliseconds() {
        let at = |zone: &str, instant: &str| Moments::of(&json!({ "zone": zone })).at(&json!(instant));
        assert_eq!(at("Europe/Madrid", "2026-11-24T07:41:00.224Z"), "2026-11-24 08:41:00");
        assert_eq!(at("", "2026-11-24T07:41:00.224Z"), "2026-11-24 07:41:00");
        assert_eq!(at("Europe/Madrid", "soon"), "soon");
    }
}
