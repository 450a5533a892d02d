//! The database of `dev`: its own file, emptied at each start, because its clock moves.
//!
//! Invariant: only one `dev` at a time has the file of a project; a second one would empty it under the first.

use super::super::exit::{Exit, Failure};
use super::super::state;
use anyhow::Context as _;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

const NAME: &str = "dev.db";

/// Keeps other `dev`s out of this project until dropped.
///
/// # Errors
/// When another one runs, or the folder cannot be written.
pub(super) fn lock(project: &Path) -> anyhow::Result<File> {
    let folder = state::folder(project)?;
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
    let path = state::folder(project)?.join(NAME);
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
    state::sqlite_url(project, NAME)
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
