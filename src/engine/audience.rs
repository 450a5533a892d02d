//! Audience: a file of people, `,` or `;`, UTF-8 or Windows-1252, row by row.
//!
//! Campaigns and imports read the same files by the same rules. Invariant: a row is never read as the row of another
//! line, whatever stands in its fields.

use crate::store::schedules::BadRow;
use anyhow::Context as _;
use csv::ByteRecord;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

/// Rows of one chunk.
pub const CHUNK: usize = 500;
/// Known columns that identify nobody (`language.md` §5.1).
pub const DETAILS: [&str; 5] = ["name", "first_name", "email", "language", "timezone"];

/// A known column of a row, whatever the case of its name; blank = not there.
pub fn column(row: &Map<String, Value>, name: &str) -> Option<String> {
    let (_, value) = row.iter().find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
    value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Whether the row says that the person agreed to receive messages.
pub fn agrees(row: &Map<String, Value>) -> bool {
    column(row, "consent").is_some_and(|text| matches!(text.to_lowercase().as_str(), "yes" | "true" | "1"))
}

/// An audience file under way: a header, then rows.
pub struct Audience {
    /// SHA-256 of the file, hex.
    pub hash: String,
    /// Rows below the header, bad ones included.
    pub total: i64,
    /// Names of the columns.
    pub header: Vec<String>,
    reader: csv::Reader<BufReader<Box<dyn Read + Send>>>,
}

/// A row: its line and its columns, or what is wrong with it.
pub type Row = Result<(u64, Map<String, Value>), BadRow>;

impl Audience {
    /// As [`Audience::open`], for a list of the project: a file below `workflows/` of the folder, whatever became of it
    /// since it was checked.
    ///
    /// # Errors
    /// As [`Audience::open`]; when a link leads out of the folder.
    pub fn of_project(root: &Path, name: &str, skip: i64) -> anyhow::Result<Self> {
        let root = root.canonicalize()?;
        let path = root.join("workflows").join(name);
        let path = path.canonicalize().with_context(|| format!("`{name}` cannot be opened"))?;
        anyhow::ensure!(path.starts_with(&root), "`{name}` is a link that leads out of the project");
        Self::open(&path, skip)
    }

    /// Reads the file once for its hash and its number of rows, and stands behind the first `skip` rows.
    ///
    /// # Errors
    /// When it is not there, cannot be read, or is empty.
    pub fn open(path: &Path, skip: i64) -> anyhow::Result<Self> {
        let name = path.file_name().unwrap_or_default().display().to_string();
        Self::read(|| Ok(Box::new(File::open(path).with_context(|| format!("no file `{name}`"))?)), skip)
    }

    /// As [`Audience::open`], of what such a file would hold.
    ///
    /// # Errors
    /// When it is empty.
    pub fn of_bytes(bytes: &Arc<[u8]>, skip: i64) -> anyhow::Result<Self> {
        Self::read(|| Ok(Box::new(Cursor::new(bytes.clone()))), skip)
    }

    fn read(open: impl Fn() -> anyhow::Result<Box<dyn Read + Send>>, skip: i64) -> anyhow::Result<Self> {
        let delimiter = delimiter_of(open()?)?;
        let mut hashing = Hashing { inner: open()?, sha: Sha256::new() };
        let mut counted = reader(BufReader::with_capacity(64 * 1024, &mut hashing), delimiter);
        let (mut record, mut rows) = (ByteRecord::new(), 0_i64);
        while next_record(&mut counted, &mut record)?.is_some() {
            rows += 1;
        }
        drop(counted);
        let hash = hex::encode(hashing.sha.finalize());
        let mut reader = reader(BufReader::new(open()?), delimiter);
        anyhow::ensure!(next_record(&mut reader, &mut record)?.is_some(), "the file is empty");
        let header =
            record.iter().map(|field| decode(field).trim_start_matches('\u{feff}').trim().to_owned()).collect();
        for _ in 0..skip {
            next_record(&mut reader, &mut record)?;
        }
        Ok(Self { hash, total: rows - 1, header, reader })
    }

    /// The next rows, at most [`CHUNK`]; none at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_chunk(&mut self) -> anyhow::Result<Vec<Row>> {
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
fn delimiter_of(file: impl Read) -> anyhow::Result<u8> {
    let mut start = vec![0; 8 * 1024];
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
    inner: Box<dyn Read + Send>,
    sha: Sha256,
}

impl Read for Hashing {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(into)?;
        self.sha.update(&into[..read]);
        Ok(read)
    }
}
