//! The database of `dev`: its own file, emptied at each start, because its clock moves.
//!
//! Invariant: only one `dev` at a time has the file of a project; a second one would empty it under the first.

use super::super::exit::{Exit, Failure};
use anyhow::Context as _;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// What means something in an address of a database.
const SPECIAL: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#');

/// Keeps other `dev`s out of this project until dropped.
///
/// # Errors
/// When another one runs, or the folder cannot be written.
pub(super) fn lock(project: &Path) -> anyhow::Result<File> {
    let folder = folder(project)?;
    let path = folder.join("dev.lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::error(
            Exit::Problems,
            "another `relance dev` runs on this project",
            "end it first, or copy the folder",
        )),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

/// Deletes what an earlier `dev` left; the address of the new file.
///
/// # Errors
/// When a file cannot be deleted.
pub(super) fn make_empty(project: &Path) -> anyhow::Result<String> {
    let path = folder(project)?.join("dev.db");
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.clone().into_os_string();
        name.push(suffix);
        let old = PathBuf::from(name);
        match fs::remove_file(&old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot delete {}", old.display()));
            }
            _ => {}
        }
    }
    let path = path.to_str().with_context(|| format!("the project's path is not UTF-8: {}", path.display()))?;
    Ok(format!("sqlite:{}?mode=rwc", utf8_percent_encode(path, SPECIAL)))
}

fn folder(project: &Path) -> anyhow::Result<PathBuf> {
    let folder = project.join(".relance");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn each_start_has_an_empty_database_whatever_the_folder_is_called() {
        let outer = tempfile::tempdir().unwrap();
        let project = outer.path().join("100% #1?");
        let url = make_empty(&project).unwrap();
        Store::open(&url).await.unwrap().ping().await.unwrap();
        let file = project.join(".relance/dev.db");
        assert!(file.is_file());
        fs::write(project.join(".relance/dev.db-wal"), "left over").unwrap();
        assert_eq!(make_empty(&project).unwrap(), url);
        assert!(!file.exists() && !project.join(".relance/dev.db-wal").exists());
    }

    #[test]
    fn a_second_dev_on_the_same_project_is_refused() {
        let project = tempfile::tempdir().unwrap();
        let first = lock(project.path()).unwrap();
        assert!(lock(project.path()).unwrap_err().to_string().contains("another `relance dev`"));
        drop(first);
        assert!(lock(project.path()).is_ok());
    }
}
