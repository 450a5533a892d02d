//! Backup: a whole copy of a SQLite file while a server writes it.
//!
//! `vacuum into` reads one instant of the database and holds nobody up. The copy is made under another name beside its
//! place, looked through, brought to the disk, and only then gets its own name. Invariant: a file of that name is whole,
//! and no file is ever written over.

use super::dialect::Dialect;
use super::{connect, inspect, migrate};
use anyhow::{Context as _, bail, ensure};
use sqlx::{AnyConnection, Connection as _, Row as _};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    pub bytes: u64,
    /// The newest step of its schema.
    pub schema: Option<i64>,
}

/// PostgreSQL brings its own tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAFile;

impl std::fmt::Display for NotAFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a PostgreSQL database is backed up by its own tools")
    }
}

impl std::error::Error for NotAFile {}

/// There is no database at this path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotThere(PathBuf);

impl std::fmt::Display for NotThere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "there is no database: {}", self.0.display())
    }
}

impl std::error::Error for NotThere {}

/// Copies the database of `url` into a new file.
///
/// # Errors
/// [`NotAFile`] for PostgreSQL, [`NotThere`] without a database; when the file is there already, or the copy is not sound.
pub async fn backup(url: &str, to: &Path) -> anyhow::Result<Backup> {
    sqlx::any::install_default_drivers();
    match Dialect::of(url).context("the database address must start with `sqlite:` or `postgres://`")? {
        Dialect::Postgres => bail!(NotAFile),
        Dialect::Sqlite => {}
    }
    ensure!(!to.try_exists()?, "there is a file already: {}", to.display());
    let from = inspect::path_of(url)?;
    ensure!(from.is_file(), NotThere(from));
    let draft = Draft::beside(to)?;
    let mut connection = connect(&existing(url)).await?;
    // Nobody could serve from its copy either.
    if let Some(left) = migrate::left(&mut connection).await? {
        bail!(left);
    }
    let copied = sqlx::query("vacuum into $1").bind(draft.text()?).execute(&mut connection).await;
    connection.close().await?;
    copied.context("the database could not be copied")?;
    let schema = look_through(&draft.0).await?;
    let file = File::open(&draft.0)?;
    file.sync_all()?;
    let bytes = file.metadata()?.len();
    // Unlike a rename, a second name is refused where there is a file.
    fs::hard_link(&draft.0, to).with_context(|| format!("cannot write {}", to.display()))?;
    File::open(folder_of(to))?.sync_all()?;
    Ok(Backup { bytes, schema })
}

/// The file on its way; gone when it is dropped.
struct Draft(PathBuf);

impl Draft {
    /// An empty one that only its owner may read.
    fn beside(to: &Path) -> anyhow::Result<Self> {
        let mut name = to.file_name().context("the backup needs a file name")?.to_owned();
        name.push(format!(".draft-{}", std::process::id()));
        let path = folder_of(to).join(name);
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        made.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(path))
    }

    fn text(&self) -> anyhow::Result<&str> {
        self.0.to_str().context("the path of the backup is not UTF-8")
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The address without leave to make a database that is not there.
fn existing(url: &str) -> String {
    format!("{}?mode=rw", url.split('?').next().unwrap_or(url))
}

/// Whether the copy is sound; the newest step of its schema.
async fn look_through(copy: &Path) -> anyhow::Result<Option<i64>> {
    let path = copy.to_str().context("the path of the backup is not UTF-8")?;
    let escaped = path.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    let mut connection: AnyConnection = connect(&format!("sqlite:{escaped}?mode=ro&immutable=1")).await?;
    let said: String = sqlx::query("pragma integrity_check").fetch_one(&mut connection).await?.try_get(0)?;
    let schema = inspect::schema_of(&mut connection).await;
    connection.close().await?;
    ensure!(said == "ok", "the copy is not sound: {said}");
    Ok(schema)
}
