//! Tagged: a campaign over everybody in the account with a tag. The account is asked page by page, beside the loop and
//! within its rate; whom a page names is written down and started with in one commit, which moves the walk as well.
//!
//! ```text
//! token ─► page of the account ─► … ─► at most 500 people ─► one commit: people, runs, how far the walk is
//! ```
//! Where a kill may fall: what was committed is not asked for again, and whoever is met a second time, on a page that
//! shifted or after a walk that began anew, is a duplicate by the key of the event. Invariant: nobody gets two runs of one
//! firing.

use super::audience::CHUNK;
use super::campaign::{Chunk, goes_on, offer, stop};
use super::change::{Change, Changed};
use super::deployed::Definition;
use super::evaluate::{self, Person};
use super::fire::{scheduled_at, scheduled_event};
use super::group::NewArrival;
use super::unit::Unit;
use super::{Item, Shared, inbound};
use crate::connector::account::Next;
use crate::connector::webhook::ContactFacts;
use crate::connector::{Callbell, Refused};
use crate::consent;
use crate::store::schedules::FiringRow;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// How long an account that does not answer is asked again, before a person has to look.
const PATIENCE_MS: i64 = 3_600_000;
/// Shortest and longest pause before it is asked again.
const AGAIN_MS: (i64, i64) = (2_000, 5 * 60_000);

/// Where the walk through the people of the account goes on. Kept with the firing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Walk {
    /// Which of the tags.
    tag: usize,
    page: u64,
    /// The account's own mark of where it goes on: unlike pages, it does not shift as people write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// The account did not know its own mark any more: by pages, then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    by_page: bool,
    /// Whoever was met is known by a mark. A walk that an older release began knows them by what identifies them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    marked: bool,
}

/// Why a part of the walk ended.
enum Paused {
    /// As many people as one commit takes.
    Full,
    Everybody,
    /// No token before this instant.
    NoToken(i64),
    Failed(anyhow::Error),
}

/// Since when the account does not answer, and when a campaign is to be looked at again; `None` = there is nothing to wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rest {
    pub(super) at_ms: Option<i64>,
    pub(super) failing_ms: Option<i64>,
}

impl Walk {
    fn of(firing: &FiringRow) -> Self {
        let kept = firing.walk.as_deref().and_then(|walk| serde_json::from_str(walk).ok());
        kept.unwrap_or(Self { tag: 0, page: 1, after: None, by_page: false, marked: true })
    }

    fn from(&self) -> Next {
        self.after.clone().map_or(Next::Page(self.page), Next::After)
    }

    fn goes_on(&mut self, next: Option<Next>) {
        match next {
            Some(Next::Page(page)) => (self.page, self.after) = (page, None),
            Some(Next::After(mark)) => self.after = Some(mark),
            None => (self.tag, self.page, self.after) = (self.tag + 1, 1, None),
        }
    }
}

/// Goes on with a campaign until its end, or as far as the account lets it. `failing_ms`: since when it does not answer.
pub(super) async fn feed(
    shared: &Arc<Shared>,
    definition: &Arc<Definition>,
    tags: &[String],
    mut firing: FiringRow,
    queue: &mpsc::Sender<Item>,
    failing_ms: Option<i64>,
) -> anyhow::Result<Rest> {
    let Some(callbell) = &shared.callbell else {
        return stop(firing, "the account cannot be asked: there is no token of it", queue)
            .await
            .map(|()| Rest::default());
    };
    let trigger = definition.workflow.triggers.iter().position(|trigger| trigger.name == firing.trigger);
    let Some(trigger) = trigger else {
        return stop(firing, "its trigger is missing", queue).await.map(|()| Rest::default());
    };
    let mut failing_ms = failing_ms;
    loop {
        let mut walk = Walk::of(&firing);
        let mut people = Vec::new();
        let paused = collect(&mut walk, tags, callbell, queue, &mut people).await?;
        if !people.is_empty() {
            failing_ms = None;
        }
        let (was, first) = ((firing.cursor, firing.counts), firing.cursor + 1);
        firing.cursor += i64::try_from(people.len())?;
        firing.total = firing.cursor;
        let walked = Some(serde_json::to_string(&walk)?);
        let moved = walked != firing.walk || !people.is_empty();
        firing.walk = walked;
        if matches!(paused, Paused::Everybody) {
            firing.state = "done".into();
        }
        let arrival = |(line, facts)| arrival(definition, trigger, &firing, shared, line, facts, walk.marked);
        let arrivals = (first.unsigned_abs()..).zip(people).map(arrival).collect();
        if moved || firing.state == "done" {
            offer(Chunk { arrivals, firing: firing.clone(), was }, queue).await?;
        }
        match paused {
            Paused::Everybody => return Ok(Rest::default()),
            Paused::NoToken(at_ms) => return Ok(Rest { at_ms: Some(at_ms), failing_ms }),
            Paused::Full => {}
            Paused::Failed(error) => return failed(shared, firing, queue, failing_ms, &error).await,
        }
        firing = match shared.store.open_firing(&shared.node).await? {
            Some(stored) if goes_on(&stored, &firing) => stored,
            _ => return Ok(Rest { at_ms: Some(shared.clock.now_ms()), failing_ms }),
        };
    }
}

/// The account did not answer: it is asked again, less and less often, until a person has to look.
async fn failed(
    shared: &Shared,
    firing: FiringRow,
    queue: &mpsc::Sender<Item>,
    failing_ms: Option<i64>,
    error: &anyhow::Error,
) -> anyhow::Result<Rest> {
    let now_ms = shared.clock.now_ms();
    let since_ms = failing_ms.unwrap_or(now_ms);
    if now_ms - since_ms >= PATIENCE_MS {
        let reason = format!("the account does not tell who has the tag: {error:#}");
        let Some(stored) = shared.store.open_firing(&shared.node).await? else { return Ok(Rest::default()) };
        if stored.id == firing.id {
            stop(stored, &reason, queue).await?;
        }
        return Ok(Rest { at_ms: Some(now_ms), failing_ms: None });
    }
    let workflow = &firing.workflow;
    tracing::warn!(workflow, error = format!("{error:#}"), "the account does not tell who has the tag: asked again");
    let pause_ms = ((now_ms - since_ms) / 2).clamp(AGAIN_MS.0, AGAIN_MS.1);
    Ok(Rest { at_ms: Some(now_ms + pause_ms), failing_ms: Some(since_ms) })
}

/// Asks for people, page by page, until one commit has enough of them.
async fn collect(
    walk: &mut Walk,
    tags: &[String],
    callbell: &Callbell,
    queue: &mpsc::Sender<Item>,
    people: &mut Vec<ContactFacts>,
) -> anyhow::Result<Paused> {
    let mut room = CHUNK;
    while let Some(tag) = tags.get(walk.tag) {
        if let Err(due_ms) = token(queue).await? {
            return Ok(Paused::NoToken(due_ms));
        }
        let (rows, next) = match callbell.tagged(tag, &walk.from(), walk.by_page).await {
            Ok(page) => page,
            Err(error) if walk.after.is_some() && !walk.by_page && is_of_mark(&error) => {
                (walk.page, walk.after, walk.by_page) = (1, None, true);
                continue;
            }
            Err(error) => return Ok(Paused::Failed(error)),
        };
        let before = &tags[..walk.tag];
        let facts = rows.iter().map(ContactFacts::read);
        people.extend(facts.filter(|facts| is_listed(facts, tag, before)));
        walk.goes_on(next);
        // Pages without anybody are counted, too: a commit says how far the walk is.
        room = room.saturating_sub(rows.len().max(1));
        if room < rows.len() && walk.tag < tags.len() {
            return Ok(Paused::Full);
        }
    }
    Ok(Paused::Everybody)
}

/// Within the group: whom the account listed is judged by what it told just now.
pub(super) fn learn(unit: &mut Unit<'_>, arrivals: &[NewArrival], fresh: &HashSet<String>) {
    let new = arrivals.iter().filter(|new| fresh.contains(&new.id));
    new.filter_map(|new| new.target.as_ref()?.told.as_ref()).for_each(|facts| drop(inbound::learn(facts, unit)));
}

/// The account refuses the mark that it gave.
fn is_of_mark(error: &anyhow::Error) -> bool {
    Refused::of(error).is_some_and(|refused| refused.status == 400)
}

/// Whether the person has the tag, in any case, and was not listed by one before it.
fn is_listed(facts: &ContactFacts, tag: &str, before: &[String]) -> bool {
    let Some(tags) = &facts.tags else { return true };
    let has = |wanted: &str| tags.iter().any(|known| known.trim().to_lowercase() == wanted.trim().to_lowercase());
    has(tag) && !before.iter().any(|earlier| has(earlier))
}

async fn token(queue: &mpsc::Sender<Item>) -> anyhow::Result<Result<(), i64>> {
    let (reply, answer) = oneshot::channel();
    queue.send(Item::Change { change: Box::new(Change::TakeToken), reply }).await?;
    match answer.await? {
        Ok(Changed::Token(token)) => Ok(token),
        _ => anyhow::bail!("the store did not grant a call"),
    }
}

fn arrival(
    definition: &Arc<Definition>,
    trigger: usize,
    firing: &FiringRow,
    shared: &Shared,
    line: u64,
    facts: ContactFacts,
    marked: bool,
) -> NewArrival {
    let data = json!({ "scheduled_at": scheduled_at(firing.scheduled_at_ms) });
    let who = evaluate::guarded(|| person(definition, &facts, &data, firing.fired_at_ms)).unwrap_or(Err("no_contact"));
    let whom = facts.uuid.clone().or_else(|| facts.phone.as_ref().map(|phone| phone.digits().to_owned()));
    let whom = whom.or_else(|| facts.bsuid.clone());
    // As in a campaign over a file: the key outlives the person.
    let mark = |whom: String| if marked { consent::mark(&shared.key, "campaign", &whom) } else { whom };
    let whom = whom.map_or_else(|| format!("line {line}"), mark);
    let key = format!("{} {} {} {whom}", firing.workflow, firing.trigger, firing.scheduled_at_ms);
    let mut arrival = scheduled_event(definition, trigger, firing, &shared.clock, data, key, Some(line), who);
    if let Some(target) = &mut arrival.target {
        target.told = Some(Arc::new(facts));
    }
    arrival
}

/// Whom the account named; what the `contact` map says besides holds for the run. Who has neither a number nor a WhatsApp id
/// cannot be written to.
fn person(
    definition: &Definition,
    facts: &ContactFacts,
    event: &serde_json::Value,
    now_ms: i64,
) -> Result<Person, &'static str> {
    if facts.phone.is_none() && facts.bsuid.is_none() {
        return Err("no_contact");
    }
    let mapped = evaluate::person(&definition.workflow, &definition.settings, event, now_ms).unwrap_or_default();
    let (uuid, phone, bsuid) = (facts.uuid.clone(), facts.phone.clone(), facts.bsuid.clone());
    Ok(Person { uuid, phone, bsuid, ..mapped })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_goes_by_the_accounts_mark_and_tag_by_tag() {
        let mut walk = Walk { tag: 0, page: 1, after: None, by_page: false, marked: true };
        assert_eq!(walk.from(), Next::Page(1));
        walk.goes_on(Some(Next::After("x".into())));
        assert_eq!(walk.from(), Next::After("x".into()));
        let kept: Walk = serde_json::from_str(&serde_json::to_string(&walk).unwrap()).unwrap();
        assert_eq!(kept, walk);
        walk.goes_on(None);
        assert_eq!((walk.tag, walk.from()), (1, Next::Page(1)));
    }

    #[test]
    fn who_has_two_of_the_tags_is_listed_by_the_first() {
        let facts = |tags: &[&str]| ContactFacts {
            tags: Some(tags.iter().map(|tag| (*tag).to_owned()).collect()),
            ..ContactFacts::default()
        };
        let before = ["VIP".to_owned()];
        assert!(is_listed(&facts(&["Opted_In"]), "opted_in", &before));
        assert!(!is_listed(&facts(&["opted_in", "vip"]), "opted_in", &before), "by the tag before");
        assert!(!is_listed(&facts(&["other"]), "opted_in", &[]), "whatever the account thinks of tags");
        assert!(is_listed(&ContactFacts::default(), "opted_in", &[]), "it does not show them");
    }
}
