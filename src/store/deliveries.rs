//! Deliveries. What was tried for each is in `attempts`, what they are sent by in `scopes`.

use super::dialect::Statement;
use super::row::Row;
use super::unreadable::Table;
use super::{Cell, Rows, Store, Tx};
use crate::contact::Contact;
use crate::contact::Line;
use crate::delivery::{Delivery, DeliveryState, OutsideWindow, Purpose, VendorStatus};
use crate::message::Form;
use anyhow::Context as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A due delivery with every fact that the gate asks for.
#[derive(Debug, Clone)]
pub struct DueDelivery {
    pub delivery: Delivery,
    /// The vendor's status of its last attempt, if it had one.
    pub status: Option<VendorStatus>,
    pub contact: Contact,
    pub line: Line,
    /// When the oldest of so many messages of runs that count was handed to the person; `None` = there were fewer.
    pub capped_at_ms: Option<i64>,
}

/// Which deliveries to list; `None` = all.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// Only those in one of these; empty = in any.
    pub states: Vec<DeliveryState>,
    pub run: Option<String>,
    pub contact: Option<String>,
    /// Only older ones than this.
    pub before: Option<String>,
    pub limit: u32,
}

macro_rules! delivery_columns {
    () => {
        "d.id, d.run, d.workflow, d.step, d.contact, d.channel, d.purpose, d.outside_window, d.message, d.state, d.reason,
         d.form, d.due_at_ms, d.expires_at_ms, d.line_at_ms, d.fallback_used, d.attempts, d.retries, d.retry_limit, d.seed,
         d.planned_at_ms, d.status, d.caller, d.reconcile_until_ms, d.looks, d.probable, d.possible_duplicate,
         d.duplicate_confirmed, d.rules, d.handed_at_ms, d.redrive_of"
    };
}
pub(super) use delivery_columns;

/// Reasons to be held for which a delivery leaves its place in the line (`outbox::gate::steps_aside`).
macro_rules! aside {
    () => {
        "('window_closed', 'template_paused', 'template_category', 'template_changed', 'quiet_hours', 'cap',
          'pace', 'run_paused', 'campaign_paused', 'unreadable')"
    };
}

/// A line has one head: the oldest delivery that is neither finished nor stepped aside. A call under way, or an
/// uncertain one before its deadline, blocks all of them.
pub(super) static CLAIM: Statement = Statement::new(concat!(
    "select ",
    delivery_columns!(),
    ", c.data, l.last_inbound_ms, l.refused_at_ms, l.asked_at_ms, l.tat_us,
        l.sent_at_ms,
        (select h.handed_at_ms from delivery h where h.contact = d.contact and h.handed_at_ms > $4
            order by h.handed_at_ms desc limit 1 offset $5)
     from delivery d
     join contact c on c.id = d.contact
     left join line l on l.contact = d.contact and l.channel = d.channel
     where d.lane = $3 and d.state in ('queued', 'held') and d.due_at_ms <= $1
        and not exists (select 1 from delivery e
            where e.contact = d.contact and e.channel = d.channel and e.id <> d.id
            and e.state in ('queued', 'held', 'sending', 'uncertain')
            and (e.state = 'sending' or (e.state = 'uncertain' and e.reconcile_until_ms > $1)
                or (e.state in ('queued', 'held') and e.reason not in ",
    aside!(),
    "
                    and (e.line_at_ms < d.line_at_ms or (e.line_at_ms = d.line_at_ms and e.id < d.id)))))
     order by d.due_at_ms, d.id limit $2 {skip locked d}"
));

static OVERDUE_UNCERTAIN: Statement = Statement::new(concat!(
    "select ",
    delivery_columns!(),
    " from delivery d
     where d.state = 'uncertain' and d.due_at_ms <= $1 and d.due_at_ms > 0 order by d.due_at_ms, d.id limit $2
     {skip locked d}"
));

static BY_IDS: Statement =
    Statement::new(concat!("select ", delivery_columns!(), " from {rows: id text} r join delivery d on d.id = r.id"));

static INSERT: Statement = Statement::new(
    "insert into delivery (id, run, workflow, step, contact, channel, purpose, outside_window, message, state, reason,
        due_at_ms, expires_at_ms, line_at_ms, fallback_used, attempts, retries, retry_limit, seed, planned_at_ms, caller,
        rules, lane, redrive_of, possible_duplicate)
     select id, run, workflow, step, contact, channel, purpose, outside_window, message, 'queued', reason, planned_at_ms,
        expires_at_ms, planned_at_ms, 0, 0, 0, retry_limit, seed, planned_at_ms, caller, rules, lane, redrive_of,
        possible_duplicate
     from {rows: id text, run text, workflow text, step text, contact text, channel text, purpose text,
        outside_window text, message text, reason text, expires_at_ms bigint, retry_limit bigint, seed bigint,
        planned_at_ms bigint, caller text, rules text, lane text, redrive_of text, possible_duplicate bigint} r",
);

static UPDATE: Statement = Statement::new(
    "update delivery set state = r.state, reason = r.reason, form = r.form, due_at_ms = r.due_at_ms,
        expires_at_ms = r.expires_at_ms,
        line_at_ms = r.line_at_ms, fallback_used = r.fallback_used, attempts = r.attempts, retries = r.retries,
        status = r.status, reconcile_until_ms = r.reconcile_until_ms, looks = r.looks, probable = r.probable,
        possible_duplicate = r.possible_duplicate, duplicate_confirmed = r.duplicate_confirmed,
        handed_at_ms = r.handed_at_ms
     from {rows: id text, was text, state text, reason text, form text, due_at_ms bigint, expires_at_ms bigint,
        line_at_ms bigint, fallback_used bigint, attempts bigint, retries bigint, status text, reconcile_until_ms bigint, looks bigint,
        probable text, possible_duplicate bigint, duplicate_confirmed bigint, handed_at_ms bigint} r
     where delivery.id = r.id and delivery.state = r.was",
);

static CANCEL_OF_RUNS: Statement = Statement::new(
    "update delivery set state = 'cancelled', reason = r.reason from {rows: run text, reason text} r
     where delivery.run = r.run and delivery.run <> '' and delivery.state in ('queued', 'held')",
);

/// Why what is released waits: paced messages go on waiting for their workflow's turn.
macro_rules! released {
    () => {
        "case when delivery.lane = delivery.channel then '' else 'pace' end"
    };
}

pub(super) use released;

/// What is useful comes at any hour while the person talks (`outbox::gate::TALKING_MS`).
static RELEASE_WINDOW_HOLDS: Statement = Statement::new(concat!(
    "update delivery set state = 'queued', reason = ",
    released!(),
    ", due_at_ms = r.now_ms, line_at_ms = r.now_ms
     from {rows: contact text, channel text, now_ms bigint} r
     where delivery.contact = r.contact and delivery.channel = r.channel
        and delivery.state in ('queued', 'held', 'sending', 'uncertain') and delivery.state = 'held'
        and (delivery.reason = 'window_closed' or (delivery.reason = 'quiet_hours' and delivery.purpose = 'utility'))",
));

/// What had left its place stands at the end of the line; what had kept it is overtaken by nobody.
static RELEASE_REASONS: Statement = Statement::new(concat!(
    "update delivery set state = 'queued', reason = ",
    released!(),
    ", due_at_ms = r.now_ms,
        line_at_ms = case when delivery.reason in ",
    aside!(),
    " then r.now_ms else delivery.line_at_ms end
     from {rows: reason text, now_ms bigint} r
     where delivery.state in ('queued', 'held') and delivery.state = 'held' and delivery.reason = r.reason"
));

static RELEASE_UNKNOWN: Statement = Statement::new(concat!(
    "update delivery set state = 'queued', reason = ",
    released!(),
    ", due_at_ms = r.now_ms
     from {rows: contact text, channel text, now_ms bigint} r
     where delivery.contact = r.contact and delivery.channel = r.channel
        and delivery.state in ('queued', 'held', 'sending', 'uncertain') and delivery.state = 'held'
        and delivery.reason = 'contact_unknown'",
));

/// From one lane to the next, by the index: as many steps as there are lanes, however many deliveries wait. What an older
/// release planned waits in none until it is given one (`older`).
pub(super) static LANES: Statement = Statement::new(
    "with recursive found (lane) as (
        select min(d.lane) from delivery d where d.state in ('queued', 'held') and d.lane > ''
        union all
        select (select min(d.lane) from delivery d where d.state in ('queued', 'held') and d.lane > found.lane)
        from found where found.lane is not null)
     select lane from found where lane is not null and $1 = $1 limit $2",
);

static LANE_WAITS: Statement = Statement::new(
    "select r.lane from {rows: lane text} r
     where exists (select 1 from delivery d where d.lane = r.lane and d.state in ('queued', 'held'))",
);

/// Sorted by what is no column: SQLite would rather walk all deliveries by their ids than sort the few that are under way.
pub(super) static UNFINISHED: Statement = Statement::new(concat!(
    "select ",
    delivery_columns!(),
    " from delivery d, {rows: node text, most bigint} r
     where d.state = 'sending' and not exists (select 1 from attempt a join node n on n.id = a.node
        where a.delivery = d.id and a.n = d.attempts and a.node <> r.node)
     order by d.id || '' limit (select most from {rows: node text, most bigint} q) {skip locked d}"
));

/// Beside what is due next, whether timers were due long ago: they go on at a rate of their own.
pub(super) static NEXT_DUE: Statement = Statement::new(
    "select min(at_ms), min(overdue_ms) from (
        select min(wake_at_ms) as at_ms, null as overdue_ms from run
            where wake_at_ms > (select min(late_ms) from {rows: lane text, now_ms bigint, late_ms bigint} q)
        union all select null, min(wake_at_ms) from run
            where wake_at_ms <= (select min(late_ms) from {rows: lane text, now_ms bigint, late_ms bigint} q)
        union all select min(due_at_ms), null from delivery where state = 'uncertain' and due_at_ms > 0
        union all select (select min(d.due_at_ms) from delivery d
            where d.lane = r.lane and d.state in ('queued', 'held') and d.due_at_ms > r.now_ms), null
        from {rows: lane text, now_ms bigint, late_ms bigint} r
     ) due",
);

static LIST: Statement = Statement::new(concat!(
    "select ",
    delivery_columns!(),
    " from delivery d, {rows: states text, run text, contact text, before text, n bigint} r
     where (r.before is null or d.id < r.before) and (r.states is null or r.states like '%,' || d.state || ',%') and (r.run is null or d.run = r.run)
        and (r.contact is null or d.contact = r.contact)
     order by d.id desc limit (select n from {rows: states text, run text, contact text, before text, n bigint} q)"
));

impl Tx<'_> {
    /// Due heads of free lines of a lane, oldest first, with the facts of the gate. `counted`: since when messages of runs
    /// are counted, and the how many-th newest of them is told of.
    pub(crate) async fn claim_due_deliveries(
        &mut self,
        lane: &str,
        most: usize,
        counted: (i64, usize),
    ) -> anyhow::Result<Vec<DueDelivery>> {
        let due = |row: &Row| -> anyhow::Result<DueDelivery> {
            let contact: String = row.try_get(31)?;
            let DeliveryRow { delivery, status, .. } = read_delivery(row)?;
            Ok(DueDelivery {
                delivery,
                status,
                contact: serde_json::from_str(&contact).context("a stored contact is not readable")?,
                line: Line {
                    last_inbound_ms: row.try_get(32)?,
                    refused_at_ms: row.try_get(33)?,
                    asked_at_ms: row.try_get(34)?,
                    tat_us: row.try_get(35)?,
                    sent_at_ms: row.try_get(36)?,
                },
                capped_at_ms: row.try_get(37)?,
            })
        };
        let ((since_ms, nth), now_ms) = (counted, self.now_ms);
        let most = i64::try_from(most)?;
        let nth = i64::try_from(nth.saturating_sub(1))?;
        let asked = [now_ms.into(), most.into(), lane.into(), since_ms.into(), nth.into()];
        let found = self.fetch_by(&CLAIM, &asked).await?;
        Ok(self.readable(Table::Delivery, &found, due))
    }

    /// Uncertain deliveries that are to be looked for, or whose deadline has passed.
    pub(crate) async fn overdue_uncertain(&mut self, most: usize) -> anyhow::Result<Vec<DeliveryRow>> {
        let now_ms = self.now_ms;
        let found = self.due(&OVERDUE_UNCERTAIN, now_ms, most).await?;
        Ok(self.readable(Table::Delivery, &found, read_delivery))
    }

    /// Deliveries under way for whose call no other living node answers: this node's own, and those of the dead.
    pub(crate) async fn unfinished_calls(&mut self, node: &str, most: usize) -> anyhow::Result<Vec<DeliveryRow>> {
        let mut rows = Rows::default();
        rows.push(&[node.into(), i64::try_from(most)?.into()]);
        let found = self.fetch(&UNFINISHED, rows).await?;
        Ok(self.readable(Table::Delivery, &found, read_delivery))
    }

    /// Those of these that can be read.
    pub(crate) async fn deliveries(&mut self, ids: &[&str]) -> anyhow::Result<Vec<DeliveryRow>> {
        let mut rows = Rows::default();
        ids.iter().for_each(|id| rows.push(&[(*id).into()]));
        let found = self.fetch(&BY_IDS, rows).await?;
        Ok(self.readable(Table::Delivery, &found, read_delivery))
    }

    pub(crate) async fn insert_deliveries(&mut self, deliveries: &[Delivery]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        self.planned_by.extend(deliveries.iter().map(Delivery::lane));
        for delivery in deliveries {
            let asked = Some(&delivery.rules).filter(|rules| !rules.is_empty());
            let rules = asked.map(serde_json::to_string).transpose()?;
            rows.push(&[
                (&delivery.id).into(),
                (&delivery.run).into(),
                (&delivery.workflow).into(),
                (&delivery.step).into(),
                (&delivery.contact).into(),
                (&delivery.channel).into(),
                Cell::Text(&word(&delivery.purpose)?),
                Cell::Text(&word(&delivery.outside_window)?),
                Cell::Text(&serde_json::to_string(&delivery.message)?),
                (&delivery.reason).into(),
                delivery.expires_at_ms.into(),
                delivery.retry_limit.into(),
                delivery.seed.into(),
                delivery.planned_at_ms.into(),
                delivery.caller.as_deref().into(),
                rules.as_deref().into(),
                Cell::Text(&delivery.lane()),
                delivery.redrive_of.as_deref().into(),
                delivery.possible_duplicate.into(),
            ]);
        }
        self.write(&INSERT, rows).await.map(drop)
    }

    /// Moves deliveries, each from the state it was read in; fails when another writer moved one.
    pub(crate) async fn update_deliveries(&mut self, moved: &[&DeliveryRow]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for row in moved {
            let delivery = &row.delivery;
            rows.push(&[
                (&delivery.id).into(),
                row.was.as_str().into(),
                delivery.state.as_str().into(),
                (&delivery.reason).into(),
                delivery.form.map(Form::as_str).into(),
                delivery.due_at_ms.into(),
                delivery.expires_at_ms.into(),
                delivery.line_at_ms.into(),
                delivery.fallback_used.into(),
                delivery.attempts.into(),
                delivery.retries.into(),
                row.status.map(VendorStatus::as_str).into(),
                delivery.reconcile_until_ms.into(),
                delivery.looks.into(),
                delivery.probable.as_deref().into(),
                delivery.possible_duplicate.into(),
                delivery.duplicate_confirmed.into(),
                delivery.handed_at_ms.into(),
            ]);
        }
        let written = self.write(&UPDATE, rows).await?;
        anyhow::ensure!(written == moved.len() as u64, super::Moved);
        // What waits again has to be known to the claim, whatever lane it waits in.
        for delivery in moved.iter().map(|row| &row.delivery) {
            let waits = matches!(delivery.state, DeliveryState::Queued | DeliveryState::Held);
            if waits {
                self.planned_by.insert(delivery.lane());
            }
        }
        let unsent = |row: &&&DeliveryRow| row.delivery.caller.is_some() && row.delivery.failed_unsent(row.was);
        self.ended.extend(moved.iter().filter(unsent).map(|row| row.delivery.clone()));
        Ok(())
    }

    /// Cancels what was not handed over of these (run, reason) pairs; a call under way ends.
    pub(crate) async fn cancel_deliveries_of(&mut self, runs: &[(String, String)]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        runs.iter().for_each(|(run, reason)| rows.push(&[run.into(), reason.into()]));
        self.write(&CANCEL_OF_RUNS, rows).await.map(drop)
    }

    /// Queues again what was held until these (contact, channel) pairs wrote: in line, one at a time.
    pub(crate) async fn release_window_holds(&mut self, lines: &[(String, String)]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        lines.iter().for_each(|(contact, channel)| rows.push(&[contact.into(), channel.into(), self.now_ms.into()]));
        self.write(&RELEASE_WINDOW_HOLDS, rows).await.map(drop)
    }

    /// Queues again, each at its place, what was held while the account was asked for these (contact, channel) pairs.
    pub(crate) async fn release_unknown(&mut self, lines: &[(String, String)]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        lines.iter().for_each(|(contact, channel)| rows.push(&[contact.into(), channel.into(), self.now_ms.into()]));
        self.write(&RELEASE_UNKNOWN, rows).await.map(drop)
    }

    /// Of these lanes, those that anything waits in.
    pub(crate) async fn lanes_with_work(&mut self, lanes: &[String]) -> anyhow::Result<Vec<String>> {
        let mut rows = Rows::default();
        lanes.iter().for_each(|lane| rows.push(&[lane.into()]));
        self.fetch(&LANE_WAITS, rows).await?.iter().map(|row| row.try_get(0)).collect()
    }

    /// The lanes that anything waits in, of channels listed in the project or not.
    pub(crate) async fn waiting_lanes(&mut self, most: usize) -> anyhow::Result<Vec<String>> {
        self.due(&LANES, 0, most).await?.iter().map(|row| row.try_get(0)).collect()
    }

    /// Queues again what is held for one of these reasons.
    pub(crate) async fn release_holds(&mut self, reasons: &[&str]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        reasons.iter().for_each(|reason| rows.push(&[(*reason).into(), self.now_ms.into()]));
        self.write(&RELEASE_REASONS, rows).await.map(drop)
    }

    /// The earliest instant at which a run is due, or a delivery of these lanes will be; `None` when there is none.
    /// Deliveries due already wait for a slot, a token or their line, none of which time alone brings. Apart from it: the
    /// oldest run that was due at `late_ms` or before.
    pub(crate) async fn next_due_ms(
        &mut self,
        lanes: &[&str],
        late_ms: i64,
    ) -> anyhow::Result<(Option<i64>, Option<i64>)> {
        let mut rows = Rows::default();
        lanes.iter().for_each(|lane| rows.push(&[(*lane).into(), self.now_ms.into(), late_ms.into()]));
        // Many lanes are asked for in parts, each with an answer.
        let found = self.fetch(&NEXT_DUE, rows).await?;
        let column = |n: usize| -> anyhow::Result<Option<i64>> {
            let found: Vec<Option<i64>> = found.iter().map(|row| row.try_get(n)).collect::<Result<_, _>>()?;
            Ok(found.into_iter().flatten().min())
        };
        Ok((column(0)?, column(1)?))
    }
}

/// A delivery as read: the state it was in guards its next move.
#[derive(Debug, Clone)]
pub struct DeliveryRow {
    pub delivery: Delivery,
    pub was: DeliveryState,
    /// The vendor's status to show.
    pub status: Option<VendorStatus>,
}

impl Store {
    /// One delivery; `None` when there is none of that id.
    ///
    /// # Errors
    /// What the database said.
    pub async fn delivery(&self, id: &str) -> anyhow::Result<Option<DeliveryRow>> {
        let mut rows = Rows::default();
        rows.push(&[id.into()]);
        self.read(&BY_IDS, rows).await?.first().map(read_delivery).transpose()
    }

    /// Deliveries, newest first.
    ///
    /// # Errors
    /// What the database said.
    pub async fn list_deliveries(&self, filter: &DeliveryFilter) -> anyhow::Result<Vec<DeliveryRow>> {
        let mut rows = Rows::default();
        let states: String = filter.states.iter().map(|state| format!(",{},", state.as_str())).collect();
        rows.push(&[
            Some(states.as_str()).filter(|states| !states.is_empty()).into(),
            filter.run.as_deref().into(),
            filter.contact.as_deref().into(),
            filter.before.as_deref().into(),
            filter.limit.into(),
        ]);
        self.read(&LIST, rows).await?.iter().map(read_delivery).collect()
    }
}

pub(super) fn read_delivery(row: &Row) -> anyhow::Result<DeliveryRow> {
    let state: String = row.try_get(9)?;
    let state = DeliveryState::parse(&state).with_context(|| format!("no state of a delivery: {state}"))?;
    let message: String = row.try_get(8)?;
    let purpose: Purpose = read_word(row.try_get(6)?)?;
    let outside_window: OutsideWindow = read_word(row.try_get(7)?)?;
    let form: Option<String> = row.try_get(11)?;
    let status: Option<String> = row.try_get(21)?;
    let rules: Option<String> = row.try_get(28)?;
    let rules = rules.map(|rules| serde_json::from_str(&rules)).transpose().context("stored rules are not readable")?;
    let delivery = Delivery {
        id: row.try_get(0)?,
        run: row.try_get(1)?,
        workflow: row.try_get(2)?,
        step: row.try_get(3)?,
        contact: row.try_get(4)?,
        channel: row.try_get(5)?,
        purpose,
        outside_window,
        message: serde_json::from_str(&message).context("a stored message is not readable")?,
        state,
        reason: row.try_get(10)?,
        form: form.map(read_word).transpose()?,
        due_at_ms: row.try_get(12)?,
        expires_at_ms: row.try_get(13)?,
        line_at_ms: row.try_get(14)?,
        fallback_used: row.try_get::<i64>(15)? != 0,
        attempts: u32::try_from(row.try_get::<i64>(16)?)?,
        retries: u32::try_from(row.try_get::<i64>(17)?)?,
        retry_limit: u32::try_from(row.try_get::<i64>(18)?)?,
        seed: row.try_get(19)?,
        planned_at_ms: row.try_get(20)?,
        caller: row.try_get(22)?,
        reconcile_until_ms: row.try_get(23)?,
        looks: u32::try_from(row.try_get::<i64>(24)?)?,
        probable: row.try_get(25)?,
        possible_duplicate: row.try_get::<i64>(26)? != 0,
        duplicate_confirmed: row.try_get::<i64>(27)? != 0,
        rules: rules.unwrap_or_default(),
        handed_at_ms: row.try_get(29)?,
        redrive_of: row.try_get(30)?,
    };
    Ok(DeliveryRow { delivery, was: state, status: status.as_deref().and_then(VendorStatus::parse) })
}

/// The word that serde writes for a plain enum.
fn word<T: Serialize>(value: &T) -> anyhow::Result<String> {
    match serde_json::to_value(value)? {
        serde_json::Value::String(word) => Ok(word),
        other => anyhow::bail!("no word: {other}"),
    }
}

pub(super) fn read_word<T: DeserializeOwned>(word: String) -> anyhow::Result<T> {
    Ok(serde_json::from_value(serde_json::Value::String(word))?)
}
