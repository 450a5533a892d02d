//! Guard: what begins for a person while another node ends everything of theirs is either ended as well, or begins after it.
//!
//! ```text
//! begins   reads the person ─► … ─► holds them as they were read ─► commit
//! ends     has them alone ─► reads what is under way ─► ends it ─► commit
//! ```
//! Who comes second waits for the first; a beginning that finds the person changed is decided again on what stands then.
//! Where one process writes, nothing is asked. Invariant: whoever has a person alone sees everything that has begun for them.

use crate::delivery::Delivery;
use crate::engine::unit::Unit;
use crate::store::Tx;
use std::collections::BTreeSet;

/// The platform's word on a message of ours: it holds nothing of the person.
const STATUS: &str = "message_status_updated";

/// Holds the people for whom something begins in this group, before it is written.
pub(in crate::engine) async fn hold(tx: &mut Tx<'_>, unit: &Unit<'_>, planned: &[Delivery]) -> anyhow::Result<()> {
    let runs = unit.new_runs();
    let of_runs = runs.iter().map(|run| run.contact.as_str());
    // The messages of a run stand and fall with it, unless they are to somebody else.
    let of_run = |one: &Delivery| unit.run(&one.run).is_some_and(|run| run.contact == one.contact);
    let of_messages = planned.iter().filter(|one| !of_run(one)).map(|one| one.contact.as_str());
    let of_events =
        unit.events.iter().filter(|event| event.name != STATUS).filter_map(|event| event.contact.as_deref());
    let people: BTreeSet<&str> = of_runs.chain(of_messages).chain(of_events).collect();
    tx.hold_contacts(&unit.as_read(people), false).await
}

/// Has people alone whose work ends, before it is read.
pub(super) async fn have_alone(tx: &mut Tx<'_>, unit: &Unit<'_>, people: &BTreeSet<String>) -> anyhow::Result<()> {
    tx.hold_contacts(&unit.as_read(people.iter().map(String::as_str)), true).await
}

impl Unit<'_> {
    /// Of these people those whom this group does not write itself, each with the version that was read.
    fn as_read<'a>(&self, people: impl IntoIterator<Item = &'a str>) -> Vec<(String, i64)> {
        people.into_iter().filter_map(|id| Some((id.to_owned(), self.version_as_read(id)?))).collect()
    }
}
