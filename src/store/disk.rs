//! Disk: whether what is written finds room, and whether the place keeps what it took.
//!
//! ```text
//! no room ─► ballast given up ─► what is in hand is written ─► … room again ─► ballast laid anew
//! an error of the disk itself ─► the process ends: what the kernel dropped cannot be written once more
//! ```
//! After a failed sync the pages count as clean and are gone: a second try would succeed and prove nothing. That of a
//! checkpoint SQLite keeps to itself, and may: the next one writes the same pages again from the log. Neighbours:
//! every statement of the writer passes here when it fails; the engine's loop decides what goes on without room.
//! Invariant: after an error of the disk nothing is ever written or answered by this process.

use super::complaint::Complaint;
use super::dialect::Dialect;
use super::inspect::path_of;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// What lies beside a SQLite file so that there is room for the last results.
const BALLAST: u64 = 16 * 1024 * 1024;
/// Enough for what a start writes.
const PROBE: u64 = 1024 * 1024;
/// The process ends with it when its disk fails: `EX_IOERR`.
const BROKEN_DISK: i32 = 74;
/// File systems of other machines: their locks and syncs are not what SQLite needs.
const ELSEWHERE: [&str; 7] = ["nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "9p"];

/// Where the writer's statements go, as far as room is concerned.
#[derive(Debug)]
pub struct Disk {
    dialect: Dialect,
    /// The file of SQLite; empty for a server.
    file: PathBuf,
    full: AtomicBool,
}

/// What an error says of the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Nothing,
    Full,
    Broken,
}

/// The database lies on another machine's disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    pub file: PathBuf,
    /// The kind of file system: `nfs4`.
    pub kind: String,
}

impl std::fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, kind } = self;
        write!(f, "{} lies on `{kind}`, another machine's disk, where SQLite loses what it has kept", file.display())
    }
}

impl std::error::Error for Elsewhere {}

impl Elsewhere {
    /// The way out.
    pub const HINT: &str =
        "set RELANCE_STATE to a folder on a disk of this machine, or RELANCE_DATABASE_URL to a PostgreSQL server";
}

impl Disk {
    /// # Errors
    /// The address of a file cannot be read.
    pub(super) fn of(url: &str, dialect: Dialect) -> anyhow::Result<Self> {
        let file = match dialect {
            Dialect::Sqlite => path_of(url)?,
            Dialect::Postgres => PathBuf::new(),
        };
        Ok(Self { dialect, file, full: AtomicBool::new(false) })
    }

    /// Where the database of this address writes; `None` = it is no address of a database.
    pub fn at(url: &str) -> Option<Self> {
        Self::of(url, Dialect::of(url)?).ok()
    }

    /// Refuses a SQLite file on another machine's disk, where the system tells what lies where.
    ///
    /// # Errors
    /// [`Elsewhere`].
    pub fn refused(&self) -> Result<(), Elsewhere> {
        let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let (Ok(folder), Ok(mounts)) = (folder.canonicalize(), fs::read_to_string("/proc/self/mountinfo")) else {
            return Ok(());
        };
        match kind_of(&mounts, &folder).filter(|_| self.dialect == Dialect::Sqlite) {
            Some(kind) if ELSEWHERE.contains(&kind) => {
                Err(Elsewhere { file: self.file.clone(), kind: kind.to_owned() })
            }
            _ => Ok(()),
        }
    }

    /// Makes way for a start: on a full disk the ballast of an earlier life goes first.
    pub(super) fn make_way(&self) {
        if let Some(ballast) = self.ballast().filter(Ballast::is_laid)
            && !has_room(&self.file)
        {
            ballast.give_up();
        }
    }

    /// The ballast of this place; a server looks after its own.
    pub fn ballast(&self) -> Option<Ballast> {
        (self.dialect == Dialect::Sqlite).then(|| Ballast { path: beside(&self.file, ".ballast") })
    }

    /// Whether a statement found no room since this was asked last.
    pub fn ran_out(&self) -> bool {
        self.full.swap(false, Ordering::Relaxed)
    }

    /// Takes in how a statement of the writer failed. Ends the process when the disk itself did.
    pub(super) fn heed(&self, error: &anyhow::Error) {
        match self.says(error) {
            Says::Nothing => {}
            Says::Full => self.full.store(true, Ordering::Relaxed),
            Says::Broken => Self::end(error),
        }
    }

    /// Ends the process: nothing that it writes from now on is sure to stay.
    pub(super) fn end(error: &anyhow::Error) -> ! {
        tracing::error!(
            error = format!("{error:#}"),
            "the disk of the database failed: the process ends, and a later start reads what is there. \
             Look after the disk first: the kernel's log says what is wrong with it"
        );
        std::process::exit(BROKEN_DISK);
    }

    /// What is wanting when there is no room.
    pub fn wants(&self) -> &'static str {
        match self.dialect {
            Dialect::Sqlite => "disk",
            Dialect::Postgres => "disk, memory or connections",
        }
    }

    /// Whether SQLite's log holds anything.
    pub(super) fn has_log(&self) -> bool {
        beside(&self.file, "-wal").metadata().is_ok_and(|log| log.len() > 0)
    }

    fn says(&self, error: &anyhow::Error) -> Says {
        let Some(Complaint { code, .. }) = Complaint::within(error) else { return Says::Nothing };
        match self.dialect {
            Dialect::Sqlite => said_by_sqlite(code.parse().unwrap_or_default(), || has_room(&self.file)),
            // Insufficient resources: a full disk, no memory, no connection left.
            Dialect::Postgres if code.starts_with("53") => Says::Full,
            Dialect::Postgres => Says::Nothing,
        }
    }
}

/// SQLite calls a disk full that says so; a quota that is used up is an I/O error to it, like many others.
fn said_by_sqlite(code: i32, has_room: impl FnOnce() -> bool) -> Says {
    const FULL: i32 = 13;
    const CORRUPT: i32 = 11;
    const NOT_A_DATABASE: i32 = 26;
    const IO_ERROR: i32 = 10;
    const SYNCS: [i32; 2] = [1034, 1290];
    match code & 0xff {
        FULL => Says::Full,
        CORRUPT | NOT_A_DATABASE => Says::Broken,
        IO_ERROR if SYNCS.contains(&code) => Says::Broken,
        IO_ERROR if has_room() => Says::Broken,
        IO_ERROR => Says::Full,
        _ => Says::Nothing,
    }
}

/// Bytes that lie on the disk for nothing but to be given up.
#[derive(Debug, Clone)]
pub struct Ballast {
    path: PathBuf,
}

impl Ballast {
    /// Whether it lies there whole.
    pub fn is_laid(&self) -> bool {
        self.path.metadata().is_ok_and(|file| file.len() >= BALLAST)
    }

    /// Lays it down; as much again has to be free beside it, or the next event would find the disk full once more.
    ///
    /// # Errors
    /// What the disk said, as when there is no room; nothing is left of it then.
    pub fn lay(&self) -> io::Result<()> {
        let laid = fill(&self.path, 2 * BALLAST).and_then(|file| file.set_len(BALLAST));
        laid.inspect_err(|_| self.give_up())
    }

    pub fn give_up(&self) {
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::error!(%error, "the ballast could not be given up");
        }
    }
}

fn has_room(file: &Path) -> bool {
    let probe = beside(file, ".probe");
    let fits = fill(&probe, PROBE).is_ok();
    let _ = fs::remove_file(probe);
    fits
}

/// A file of so many bytes that no file system packs into fewer.
fn fill(path: &Path, bytes: u64) -> io::Result<File> {
    let mut file = File::create(path)?;
    let (mut block, mut last) = ([0; 64 * 1024], 0x9e37_79b9_7f4a_7c15_u64);
    for _ in 0..bytes / block.len() as u64 {
        for eight in block.chunks_exact_mut(8) {
            last ^= last << 13;
            last ^= last >> 7;
            last ^= last << 17;
            eight.copy_from_slice(&last.to_ne_bytes());
        }
        file.write_all(&block)?;
    }
    Ok(file)
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(ending);
    name.into()
}

/// The file system that a folder lies on: that of the deepest mount above it, of several there the last.
fn kind_of<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    let read = |line: &'a str| {
        let (mount, device) = line.split_once(" - ")?;
        let at = unescaped(mount.split(' ').nth(4)?);
        folder.starts_with(&at).then_some((at.components().count(), device.split(' ').next()?))
    };
    mounts.lines().filter_map(read).max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

/// `\040` stands for a space.
fn unescaped(path: &str) -> PathBuf {
    let mut parts = path.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(char::from(byte));
                plain.push_str(&part[3..]);
            }
            None => plain.push_str(part),
        }
    }
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_waited_for_and_a_broken_one_is_not() {
        let says = |code, room| said_by_sqlite(code, || room);
        assert_eq!(says(13, true), Says::Full);
        assert_eq!(says(778, false), Says::Full, "a quota is used up");
        assert_eq!(says(778, true), Says::Broken, "there is room, and it could not be written");
        assert_eq!((says(1034, false), says(1290, false)), (Says::Broken, Says::Broken), "a sync proves nothing twice");
        assert_eq!((says(11, true), says(26, true)), (Says::Broken, Says::Broken));
        assert_eq!((says(5, true), says(2067, true), says(0, true)), (Says::Nothing, Says::Nothing, Says::Nothing));
    }

    #[test]
    fn a_ballast_lies_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}?mode=rwc", folder.path().join("r.db").display());
        let ballast = Disk::of(&url, Dialect::Sqlite).unwrap().ballast().unwrap();
        assert!(!ballast.is_laid());
        ballast.lay().unwrap();
        assert!(ballast.is_laid());
        assert_eq!(folder.path().join("r.db.ballast").metadata().unwrap().len(), BALLAST);
        ballast.give_up();
        ballast.give_up();
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        assert!(Disk::of("postgres://h/d", Dialect::Postgres).unwrap().ballast().is_none());
    }

    #[test]
    fn the_deepest_mount_above_a_folder_says_what_it_lies_on() {
        let mounts = "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n\
            40 22 0:35 / /srv rw - nfs4 files:/srv rw,vers=4.2\n\
            41 40 0:36 / /srv/local rw - xfs /dev/sdb rw\n\
            42 22 0:37 / /mnt/my\\040share rw - cifs //files/share rw\n\
            43 22 0:38 / /over rw - ext4 /dev/sdc rw\n\
            44 22 0:39 / /over rw - 9p host rw\n";
        for (folder, kind) in [
            ("/var/lib/relance", "ext4"),
            ("/srv/relance", "nfs4"),
            ("/srv/local/relance", "xfs"),
            ("/srv2", "ext4"),
            ("/mnt/my share/x", "cifs"),
            ("/over", "9p"),
        ] {
            assert_eq!(kind_of(mounts, Path::new(folder)), Some(kind), "{folder}");
        }
        assert_eq!(kind_of("", Path::new("/")), None);
        let here = tempfile::tempdir().unwrap();
        let disk = Disk::at(&format!("sqlite:{}", here.path().join("r.db").display())).unwrap();
        assert_eq!(disk.refused(), Ok(()));
    }
}
