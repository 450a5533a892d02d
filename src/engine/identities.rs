//! Identities: what `once_per` yields is kept for good, as a mark that tells it to nobody without the installation's key.
//!
//! In a group, and with the runs of a line, it goes by its plain hash (`evaluate`), which is easily found again from a
//! number: that stands with no row that outlives its run. Older releases kept the hash itself: both are looked for.
//! Invariant: what was done under either is not done again.

use super::unit::Unit;
use crate::consent;
use crate::store::Tx;
use crate::store::runs::IdentityRow;
use std::collections::HashMap;

/// Reads who holds these identities, as (workflow, hash); at most one row each, by its hash.
pub(super) async fn load(
    tx: &mut Tx<'_>,
    unit: &mut Unit<'_>,
    keys: &[(&str, &str)],
) -> anyhow::Result<Vec<IdentityRow>> {
    let marked: Vec<(&str, String)> = keys.iter().map(|(workflow, hash)| (*workflow, mark(unit.key, hash))).collect();
    let marks: HashMap<&str, &str> =
        marked.iter().zip(keys).map(|((_, mark), (_, hash))| (mark.as_str(), *hash)).collect();
    let marked = marked.iter().map(|(workflow, mark)| (*workflow, mark.as_str()));
    let mut rows = tx.identities(&marked.chain(keys.iter().copied()).collect::<Vec<_>>()).await?;
    // What this release wrote is newer than the row beside it that an older one left.
    rows.sort_by_key(|row| !marks.contains_key(row.hash.as_str()));
    let mut found: HashMap<(String, String), IdentityRow> = HashMap::new();
    for row in rows {
        let hash = marks.get(row.hash.as_str()).map_or_else(|| row.hash.clone(), |hash| (*hash).to_owned());
        found.entry((row.workflow.clone(), hash.clone())).or_insert(IdentityRow { hash, ..row });
    }
    for row in found.values() {
        unit.know_identity(row.workflow.clone(), row.hash.clone(), row.run.clone(), row.state);
    }
    Ok(found.into_values().collect())
}

/// Writes the identities that runs of this group took.
pub(super) async fn write(tx: &mut Tx<'_>, unit: &Unit<'_>) -> anyhow::Result<()> {
    let taken = unit.taken_identities().into_iter();
    let marked = taken.map(|(workflow, hash, run, held_by)| (workflow, mark(unit.key, &hash), run, held_by));
    tx.take_identities(&marked.collect::<Vec<_>>()).await
}

fn mark(key: &[u8], hash: &str) -> String {
    consent::mark(key, "identity", hash)
}
