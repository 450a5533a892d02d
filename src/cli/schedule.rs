//! What runs next: the firings of a project's schedules, from the files alone. Pure.

use crate::config::Project;
use crate::trigger::TriggerKind;
use crate::trigger::schedule::Schedule;
use crate::workflow::Workflow;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The next `count` firings of each schedule, local time and offset, with a note where the clocks change in between.
pub fn render(project: &Project, now_ms: i64, count: usize) -> String {
    let mut out = String::new();
    for (workflow, name, schedule) in schedules(project) {
        let zone = &workflow.settings.timezone;
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}  {name}  ({})", workflow.id, zone.iana_name().unwrap_or("UTC"));
        let firings = next(schedule, zone, now_ms, count);
        let mut offset = firings.first().map(|at| zone.to_offset(*at));
        for at in &firings {
            let now = zone.to_offset(*at);
            let note = if offset == Some(now) { "" } else { "  (the clocks have changed)" };
            let _ = writeln!(out, "  {}{note}", at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M %:z"));
            offset = Some(now);
        }
        if firings.is_empty() {
            let _ = writeln!(out, "  never again");
        }
    }
    if out.is_empty() {
        out.push_str("no workflow has a schedule\n");
    }
    out
}

/// The same for programs.
pub fn render_json(project: &Project, now_ms: i64, count: usize) -> Value {
    let entry = |(workflow, name, schedule): (&Workflow, &str, &Schedule)| {
        let zone = &workflow.settings.timezone;
        let at = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
        let next: Vec<String> = next(schedule, zone, now_ms, count).into_iter().map(at).collect();
        json!({"workflow": workflow.id, "trigger": name, "zone": zone.iana_name(), "next": next})
    };
    json!({"version": 1, "schedules": schedules(project).map(entry).collect::<Vec<_>>()})
}

fn schedules(project: &Project) -> impl Iterator<Item = (&Workflow, &str, &Schedule)> {
    let enabled = project.workflows.values().filter(|workflow| workflow.enabled);
    enabled.flat_map(|workflow| {
        workflow.triggers.iter().filter_map(move |trigger| match &trigger.kind {
            TriggerKind::Schedule { schedule, .. } => Some((workflow.as_ref(), trigger.name.as_str(), schedule)),
            _ => None,
        })
    })
}

fn next(schedule: &Schedule, zone: &TimeZone, now_ms: i64, count: usize) -> Vec<Timestamp> {
    let now = Timestamp::from_millisecond(now_ms).unwrap_or_default();
    schedule.fires_after(now, zone).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Files;

    #[test]
    fn the_next_firings_are_shown_in_local_time_with_a_note_where_the_clocks_change() {
        let files = Files::from([
            ("relance.yaml".to_owned(), "version: 1\nname: Shop\nsettings: { timezone: Europe/Paris }\n".to_owned()),
            (
                "workflows/report.yaml".to_owned(),
                "name: Report\npurpose: service\nwhen: { schedule: every day at 02:30 }\ncontact: { phone: \"+33612345678\" }\n\
                 do:\n  - send_message: { text: Hello }\n"
                    .to_owned(),
            ),
        ]);
        let project = crate::workflow::load(&files).project.unwrap();
        let now: Timestamp = "2027-03-26T12:00:00Z".parse().unwrap();
        let shown = render(&project, now.as_millisecond(), 3);
        assert!(shown.contains("Sat 2027-03-27 02:30 +01:00\n"), "{shown}");
        assert!(shown.contains("Sun 2027-03-28 03:00 +02:00  (the clocks have changed)"), "{shown}");
    }
}
