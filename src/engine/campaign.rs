//! Campaign: a firing over an audience. The file is read in chunks; each chunk's runs and the cursor move in one
//! commit, so that a kill goes on at the cursor and nobody is counted twice.
//!
//! Invariant: the file is the one that was fired. A file that changed in the middle stops the campaign.

use super::deployed::Definition;
use super::evaluate::{self, Person};
use super::fire::{scheduled_at, scheduled_event};
use super::group::{Accepted, NewArrival};
use super::{Item, Shared};
use crate::contact::Phone;
use crate::event::EvaluationResult;
use crate::store::Tx;
use crate::store::schedules::{BadRow, FiringRow};
use anyhow::Context as _;
use csv::ByteRecord;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Rows of one chunk.
const CHUNK: usize = 500;
/// Bad rows that are listed one by one; the others are counted.
const LISTED: usize = 1000;

/// Rows of an audience to be started in one commit, and the campaign as it stands after them.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) arrivals: Vec<NewArrival>,
    firing: FiringRow,
    was: i64,
}

impl Chunk {
    /// Moves the campaign's cursor, with what became of each row.
    pub(super) async fn close(&self, tx: &mut Tx<'_>, rows: &[Accepted]) -> anyhow::Result<()> {
        let mut firing = self.firing.clone();
        for (arrival, row) in self.arrivals.iter().zip(rows) {
            count(&mut firing, arrival, row);
        }
        tx.update_firing(&firing, self.was).await
    }
}

fn count(firing: &mut FiringRow, arrival: &NewArrival, row: &Accepted) {
    let line = arrival.target.as_ref().and_then(|target| target.line).unwrap_or_default();
    let evaluation = row.evaluations.first();
    match evaluation.map(|evaluation| (evaluation.result, evaluation.reason.as_str())) {
        _ if row.duplicate => firing.counts.duplicates += 1,
        Some((EvaluationResult::Started, _)) => firing.counts.started += 1,
        Some((EvaluationResult::Skipped, reason @ ("bad_number" | "no_contact"))) => {
            bad(firing, line, reason.to_owned())
        }
        Some((EvaluationResult::Failed, reason)) => bad(firing, line, reason.to_owned()),
        _ => firing.counts.refused += 1,
    }
}

fn bad(firing: &mut FiringRow, line: u64, reason: String) {
    firing.counts.bad += 1;
    if firing.bad_rows.len() < LISTED {
        firing.bad_rows.push(BadRow { line, reason });
    }
}

/// Feeds every open campaign of this node to its end, oldest first.
pub(super) async fn feed(shared: &Arc<Shared>, root: &Path, queue: &mpsc::Sender<Item>) -> anyhow::Result<()> {
    while let Some(firing) = shared.store.open_firing(&shared.node).await? {
        match definition(shared, &firing).await? {
            Some(definition) => feed_one(shared, definition, root.to_owned(), firing, queue).await?,
            None => stop(firing, "its definition is missing", queue).await?,
        }
    }
    Ok(())
}

/// What it was fired by: what serves, else an older version, or one of the node that fired it.
async fn definition(shared: &Shared, firing: &FiringRow) -> anyhow::Result<Option<Arc<Definition>>> {
    let deployed = shared.deployed();
    let current = deployed.definitions.get(&firing.workflow);
    if let Some(current) = current.filter(|definition| definition.hash == firing.definition) {
        return Ok(Some(current.clone()));
    }
    let stored = shared.store.definition(&firing.definition).await?;
    Ok(stored.and_then(Definition::stored).map(Arc::new))
}

/// Ends a campaign that cannot go on: a person has to look at it.
async fn stop(firing: FiringRow, reason: &str, queue: &mpsc::Sender<Item>) -> anyhow::Result<()> {
    tracing::error!(workflow = firing.workflow, reason, "a campaign stopped");
    let was = firing.cursor;
    let firing = FiringRow { state: "needs_attention".into(), reason: reason.to_owned(), ..firing };
    offer(Chunk { arrivals: Vec::new(), firing, was }, queue).await.map(drop)
}

async fn offer(chunk: Chunk, queue: &mpsc::Sender<Item>) -> anyhow::Result<bool> {
    let (reply, answer) = oneshot::channel();
    queue.send(Item::Chunk { chunk: Box::new(chunk), reply }).await?;
    let kept = answer.await?;
    anyhow::ensure!(kept, "the store did not take a part of the campaign");
    Ok(kept)
}

async fn feed_one(
    shared: &Arc<Shared>,
    definition: Arc<Definition>,
    root: PathBuf,
    mut firing: FiringRow,
    queue: &mpsc::Sender<Item>,
) -> anyhow::Result<()> {
    let path = root.join("workflows").join(firing.audience.as_deref().unwrap_or_default());
    let opened = {
        let (path, skip) = (path.clone(), firing.cursor);
        tokio::task::spawn_blocking(move || Audience::open(&path, skip)).await?
    };
    let mut audience = match opened {
        Ok(audience) => audience,
        Err(error) => return stop(firing, &format!("the audience cannot be read: {error:#}"), queue).await,
    };
    if firing.audience_hash.as_ref().is_some_and(|hash| *hash != audience.hash) {
        return stop(firing, "audience_changed", queue).await;
    }
    (firing.audience_hash, firing.total) = (Some(audience.hash.clone()), audience.total);
    let trigger = definition.workflow.triggers.iter().position(|trigger| trigger.name == firing.trigger);
    let Some(trigger) = trigger else { return stop(firing, "its trigger is missing", queue).await };
    loop {
        let (read_audience, rows) = tokio::task::spawn_blocking(move || {
            let rows = audience.next_chunk();
            (audience, rows)
        })
        .await?;
        audience = read_audience;
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => return stop(firing, &format!("the audience cannot be read: {error:#}"), queue).await,
        };
        let was = firing.cursor;
        firing.cursor += rows.len() as i64;
        let last = rows.len() < CHUNK;
        if last {
            firing.state = "done".into();
        }
        let mut arrivals = Vec::with_capacity(rows.len());
        for row in rows {
            match row {
                Ok((line, data)) => arrivals.push(arrival(&definition, trigger, &firing, shared, line, data)),
                Err(row) => bad(&mut firing, row.line, row.reason),
            }
        }
        offer(Chunk { arrivals, firing: firing.clone(), was }, queue).await?;
        if last {
            return Ok(());
        }
        firing = match shared.store.open_firing(&shared.node).await? {
            Some(stored) if stored.id == firing.id => stored,
            _ => return Ok(()),
        };
    }
}

fn arrival(
    definition: &Arc<Definition>,
    trigger: usize,
    firing: &FiringRow,
    shared: &Shared,
    line: u64,
    mut data: Map<String, Value>,
) -> NewArrival {
    data.insert("scheduled_at".into(), scheduled_at(firing.scheduled_at_ms).into());
    let data = Value::Object(data);
    let who = evaluate::guarded(|| person(definition, &data, firing.fired_at_ms)).unwrap_or(Err("no_contact"));
    let whom = who.as_ref().ok().and_then(|person| person.keys().into_iter().next());
    let whom = whom.map_or(format!("line {line}"), |key| format!("{key:?}"));
    let key = format!("{} {} {} {whom}", firing.workflow, firing.trigger, firing.scheduled_at_ms);
    scheduled_event(definition, trigger, firing, &shared.clock, data, key, Some(line), who)
}

/// The `contact` map first, then the known columns.
fn person(definition: &Definition, row: &Value, now_ms: i64) -> Result<Person, &'static str> {
    let mapped = evaluate::person(&definition.workflow, &definition.settings, row, now_ms);
    let column = |name: &str| {
        let fields = row.as_object()?;
        let (_, value) = fields.iter().find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
        value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let mut person = mapped.clone().unwrap_or_default();
    let written = column("phone");
    let region = definition.settings.phone_region.as_deref();
    let own = |text: &String| Phone::parse(text, region).ok();
    person.phone = person.phone.or_else(|| written.as_ref().and_then(own));
    person.uuid = person.uuid.or_else(|| column("uuid"));
    person.bsuid = person.bsuid.or_else(|| column("bsuid"));
    for name in ["name", "first_name", "email", "language", "timezone"] {
        if let Some(value) = column(name) {
            person.given.entry(name).or_insert(value.into());
        }
    }
    let agreed = column("consent").is_some_and(|text| matches!(text.to_lowercase().as_str(), "yes" | "true" | "1"));
    person.consents |= agreed;
    match person.keys().is_empty() {
        false => Ok(person),
        true if written.is_some() => Err("bad_number"),
        true => mapped.and(Err("no_contact")),
    }
}

/// An audience file under way: a header, then rows.
#[derive(Debug)]
struct Audience {
    hash: String,
    total: i64,
    header: Vec<String>,
    reader: csv::Reader<BufReader<File>>,
}

type Row = Result<(u64, Map<String, Value>), BadRow>;

impl Audience {
    /// Reads the file once for its hash and its number of rows, and stands behind the first `skip` rows.
    fn open(path: &Path, skip: i64) -> anyhow::Result<Self> {
        let delimiter = delimiter_of(path)?;
        let mut hashing = Hashing { inner: File::open(path)?, sha: Sha256::new() };
        let mut counted = reader(BufReader::with_capacity(64 * 1024, &mut hashing), delimiter);
        let (mut record, mut rows) = (ByteRecord::new(), 0_i64);
        while next_record(&mut counted, &mut record)?.is_some() {
            rows += 1;
        }
        drop(counted);
        let hash = hex::encode(hashing.sha.finalize());
        let mut reader = reader(BufReader::new(File::open(path)?), delimiter);
        anyhow::ensure!(next_record(&mut reader, &mut record)?.is_some(), "the file is empty");
        let header =
            record.iter().map(|field| decode(field).trim_start_matches('\u{feff}').trim().to_owned()).collect();
        for _ in 0..skip {
            next_record(&mut reader, &mut record)?;
        }
        Ok(Self { hash, total: rows - 1, header, reader })
    }

    fn next_chunk(&mut self) -> anyhow::Result<Vec<Row>> {
        let mut rows = Vec::with_capacity(CHUNK);
        let mut record = ByteRecord::new();
        while rows.len() < CHUNK
            && let Some(line) = next_record(&mut self.reader, &mut record)?
        {
            rows.push(self.row(line, &record));
        }
        Ok(rows)
    }

    fn row(&self, line: u64, record: &ByteRecord) -> Row {
        if record.len() != self.header.len() {
            let reason = format!("{} fields, the header has {}", record.len(), self.header.len());
            return Err(BadRow { line, reason });
        }
        let text = |field: &[u8]| decode(field.strip_suffix(b"\r").unwrap_or(field));
        let fields = self.header.iter().zip(record).map(|(name, field)| (name.clone(), text(field).into()));
        Ok((line, fields.collect()))
    }
}

/// Lines end in `\n`: with `\r\n` as an end of its own the crate counts the `\n` to the line that follows.
fn reader<R: Read>(source: R, delimiter: u8) -> csv::Reader<R> {
    let ending = csv::Terminator::Any(b'\n');
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .terminator(ending)
        .from_reader(source)
}

/// Reads a row that is not blank; the line it begins on, from 1.
fn next_record<R: Read>(reader: &mut csv::Reader<R>, record: &mut ByteRecord) -> anyhow::Result<Option<u64>> {
    while reader.read_byte_record(record)? {
        if record.len() == 1 && record[0].trim_ascii().is_empty() {
            continue;
        }
        // Counted from its end, as blank lines may stand before it; the last row may lack its line break.
        let breaks = record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
        let stood = record.position().map_or(1, csv::Position::line);
        return Ok(Some(stood.max(reader.position().line().saturating_sub(1 + breaks))));
    }
    Ok(None)
}

/// `,` or `;`: the one that the first line has more of.
fn delimiter_of(path: &Path) -> anyhow::Result<u8> {
    let mut start = vec![0; 8 * 1024];
    let file =
        File::open(path).with_context(|| format!("no file `{}`", path.file_name().unwrap_or_default().display()))?;
    let read = file.take(start.len() as u64).read(&mut start)?;
    let first = start[..read].split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |wanted: u8| first.iter().filter(|byte| **byte == wanted).count();
    Ok(if count(b';') > count(b',') { b';' } else { b',' })
}

/// UTF-8, else Windows-1252.
fn decode(field: &[u8]) -> String {
    match std::str::from_utf8(field) {
        Ok(text) => text.to_owned(),
        Err(_) => encoding_rs::WINDOWS_1252.decode(field).0.into_owned(),
    }
}

/// Hashes what passes through.
struct Hashing {
    inner: File,
    sha: Sha256,
}

impl Read for Hashing {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(into)?;
        self.sha.update(&into[..read]);
        Ok(read)
    }
}
