//! Fire: from the instants of schedules to firings. Each is fired once or recorded as skipped; none is forgotten.
//!
//! The rows are locked while they are moved, and (workflow, trigger, instant) is unique: whatever the number of nodes,
//! one of them fires. Invariant: the next instant derives from the high-water mark, never from the clock.

use super::deployed::{Definition, Deployed};
use super::evaluate;
use super::group::{NewArrival, Target};
use crate::clock::Clock;
use crate::event::{Dedupe, NewEvent};
use crate::store::Tx;
use crate::store::schedules::{FiringRow, ScheduleRow};
use crate::trigger::TriggerKind;
use crate::trigger::schedule::due;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What the schedules came to at one instant.
#[derive(Default)]
pub(super) struct Fired {
    /// Firings without an audience: events for the same group.
    pub(super) arrivals: Vec<NewArrival>,
    /// Whether a campaign was begun.
    pub(super) campaigns: bool,
    /// The next instant of any schedule.
    pub(super) next_ms: Option<i64>,
}

/// Brings the schedule rows in line with what is deployed: new, changed and re-enabled ones count from now.
pub(super) async fn deploy(tx: &mut Tx<'_>, deployed: &Deployed) -> anyhow::Result<Option<i64>> {
    let known = tx.schedules().await?;
    let by_name: HashMap<(&str, &str), &ScheduleRow> =
        known.iter().map(|row| ((row.workflow.as_str(), row.trigger.as_str()), row)).collect();
    let wanted: Vec<ScheduleRow> =
        deployed.schedules().map(|(definition, trigger)| row(definition, &trigger.name, tx.now_ms)).collect();
    let same = |row: &&ScheduleRow| {
        let known = by_name.get(&(row.workflow.as_str(), row.trigger.as_str()));
        known.is_some_and(|known| known.expression == row.expression && known.zone == row.zone)
    };
    let fresh: Vec<ScheduleRow> = wanted.iter().filter(|row| !same(row)).cloned().collect();
    let gone = |row: &&ScheduleRow| {
        !wanted.iter().any(|other| (&other.workflow, &other.trigger) == (&row.workflow, &row.trigger))
    };
    let gone: Vec<&ScheduleRow> = known.iter().filter(gone).collect();
    tx.upsert_schedules(&fresh).await?;
    tx.delete_schedules(&gone).await?;
    let rows = tx.schedules().await?;
    Ok(next_ms(&rows, deployed))
}

fn row(definition: &Definition, trigger: &str, now_ms: i64) -> ScheduleRow {
    let zone = definition.workflow.settings.timezone.iana_name().unwrap_or("UTC");
    ScheduleRow {
        workflow: definition.workflow.id.clone(),
        trigger: trigger.to_owned(),
        expression: trigger.to_owned(),
        zone: zone.to_owned(),
        hwm_ms: now_ms,
    }
}

/// Fires what is due.
pub(super) async fn fire(tx: &mut Tx<'_>, deployed: &Deployed, clock: &Clock, node: &str) -> anyhow::Result<Fired> {
    let mut rows = tx.schedules().await?;
    let mut fired = Fired::default();
    let (mut firings, mut moved) = (Vec::new(), Vec::new());
    for row in &mut rows {
        let Some((definition, index)) = find(deployed, row) else { continue };
        let TriggerKind::Schedule { schedule, missed, catch_up_ms } = &definition.workflow.triggers[index].kind else {
            continue;
        };
        let zone = &definition.workflow.settings.timezone;
        let due = due(schedule, zone, instant(row.hwm_ms), instant(tx.now_ms), *missed, *catch_up_ms);
        if due.hwm.as_millisecond() == row.hwm_ms {
            continue;
        }
        let reason = match due.skipped_before {
            Some(before) => format!("missed, with all before {before}"),
            None => "missed".to_owned(),
        };
        firings.extend(due.skipped.iter().map(|at| firing(definition, row, *at, tx.now_ms, clock, Some(&reason))));
        for at in &due.fire {
            let firing = firing(definition, row, *at, tx.now_ms, clock, None);
            match firing.audience {
                Some(_) => fired.campaigns = true,
                None => fired.arrivals.push(arrival(definition, index, &firing, clock)),
            }
            firings.push(firing);
        }
        let was_ms = std::mem::replace(&mut row.hwm_ms, due.hwm.as_millisecond());
        moved.push((row.clone(), was_ms));
    }
    firings.iter_mut().for_each(|firing| firing.node = Some(node.to_owned()));
    drop_repeated(tx, &mut firings, &mut fired.arrivals).await?;
    tx.insert_firings(&firings).await?;
    tx.move_schedules(&moved).await?;
    fired.next_ms = next_ms(&rows, deployed);
    Ok(fired)
}

/// A machine clock that was set back, then a schedule deployed anew: its instants come a second time, and are not fired
/// again.
async fn drop_repeated(
    tx: &mut Tx<'_>,
    firings: &mut Vec<FiringRow>,
    arrivals: &mut Vec<NewArrival>,
) -> anyhow::Result<()> {
    let key = |row: &FiringRow| (row.workflow.clone(), row.trigger.clone(), row.scheduled_at_ms);
    let instants: Vec<_> =
        firings.iter().map(|row| (row.workflow.as_str(), row.trigger.as_str(), row.scheduled_at_ms)).collect();
    let before: HashSet<_> = tx.fired(&instants).await?.into_iter().collect();
    if before.is_empty() {
        return Ok(());
    }
    firings.retain(|row| !before.contains(&key(row)));
    let kept: HashSet<&str> = firings.iter().map(|row| row.id.as_str()).collect();
    arrivals.retain(|new| new.target.as_ref().is_some_and(|target| kept.contains(target.firing.as_str())));
    Ok(())
}

fn find<'a>(deployed: &'a Deployed, row: &ScheduleRow) -> Option<(&'a Arc<Definition>, usize)> {
    let definition = deployed.definitions.get(&row.workflow).filter(|definition| definition.workflow.enabled)?;
    let index = definition.workflow.triggers.iter().position(|trigger| trigger.name == row.trigger)?;
    Some((definition, index))
}

fn next_ms(rows: &[ScheduleRow], deployed: &Deployed) -> Option<i64> {
    let next = |row: &ScheduleRow| {
        let (definition, index) = find(deployed, row)?;
        let TriggerKind::Schedule { schedule, .. } = &definition.workflow.triggers[index].kind else { return None };
        let next = schedule.next_fire_after(instant(row.hwm_ms), &definition.workflow.settings.timezone)?;
        Some(next.as_millisecond())
    };
    rows.iter().filter_map(next).min()
}

fn firing(
    definition: &Definition,
    row: &ScheduleRow,
    at: Timestamp,
    now_ms: i64,
    clock: &Clock,
    skipped: Option<&str>,
) -> FiringRow {
    let audience = definition.workflow.audience.as_ref().map(ToString::to_string);
    let state = match (skipped, &audience) {
        (Some(_), _) => "skipped",
        (None, Some(_)) => "running",
        (None, None) => "done",
    };
    FiringRow {
        id: clock.new_id(),
        workflow: row.workflow.clone(),
        trigger: row.trigger.clone(),
        scheduled_at_ms: at.as_millisecond(),
        fired_at_ms: now_ms,
        state: state.into(),
        reason: skipped.unwrap_or_default().to_owned(),
        definition: definition.hash.clone(),
        audience,
        audience_hash: None,
        walk: None,
        cursor: 0,
        total: 0,
        counts: Default::default(),
        bad_rows: Vec::new(),
        node: None,
    }
}

fn arrival(definition: &Arc<Definition>, index: usize, firing: &FiringRow, clock: &Clock) -> NewArrival {
    let data = json!({ "scheduled_at": scheduled_at(firing.scheduled_at_ms) });
    let read = || evaluate::person(&definition.workflow, &definition.settings, &data, firing.fired_at_ms);
    let who = evaluate::guarded(read).unwrap_or(Err("no_contact"));
    let key = format!("{} {} {}", firing.workflow, firing.trigger, firing.scheduled_at_ms);
    scheduled_event(definition, index, firing, clock, data, key, None, who)
}

/// Where events of firings come from; the instant of such an event is the firing's.
pub(super) const SCHEDULED: &str = "schedule";

/// The event of a firing, or of one row of its audience.
#[expect(clippy::too_many_arguments, reason = "one place builds the event of a firing and of an audience's row")]
pub(super) fn scheduled_event(
    definition: &Arc<Definition>,
    trigger: usize,
    firing: &FiringRow,
    clock: &Clock,
    data: Value,
    key: String,
    line: Option<u64>,
    who: Result<evaluate::Person, &'static str>,
) -> NewArrival {
    let text: Arc<str> = data.to_string().into();
    let dedupe = Dedupe { key, keep_ms: Dedupe::ID_MS, body_hash: String::new() };
    let event = NewEvent {
        source: SCHEDULED.into(),
        name: definition.workflow.triggers[trigger].name.clone(),
        data: Value::Null,
        at_ms: firing.scheduled_at_ms,
        dedupe,
    };
    let target = Target { definition: definition.clone(), trigger, firing: firing.id.clone(), line, who, told: None };
    NewArrival { id: clock.new_id(), event: Arc::new(event), data: Arc::new(data), text, target: Some(target) }
}

/// ISO 8601, UTC.
pub(super) fn scheduled_at(at_ms: i64) -> String {
    instant(at_ms).to_string()
}

fn instant(at_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(at_ms).unwrap_or_default()
}
