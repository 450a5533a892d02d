//! Marks: what tells that a file of the project was saved, made or deleted. `dev` and `test --watch` look at them.
//!
//! Invariant: whatever lies in the project's folder, looking never fails; a file that cannot be looked at is not there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often they are looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Folders below `workflows/` that are looked into, as deep as the project is read.
const DEPTH: usize = 4;

/// When each file was written, and how long it is.
pub(super) type Marks = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// Of everything that the project is read from.
pub(super) fn marks(root: &Path) -> Marks {
    let mut marks = Marks::new();
    for name in ["relance.yaml", "templates.yaml", "templates.lock.json"] {
        mark(&root.join(name), &mut marks);
    }
    mark_folder(&root.join("workflows"), DEPTH, &mut marks);
    marks
}

fn mark(path: &Path, marks: &mut Marks) {
    if let Ok(found) = fs::metadata(path) {
        marks.insert(path.to_owned(), (found.modified().ok(), found.len()));
    }
}

fn mark_folder(folder: &Path, depth: usize, marks: &mut Marks) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        match path.is_dir() {
            true if depth > 0 => mark_folder(&path, depth - 1, marks),
            true => {}
            false => mark(&path, marks),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_saved_made_or_deleted_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::create_dir_all(path("workflows/samples")).unwrap();
        fs::write(path("relance.yaml"), "a").unwrap();
        let first = marks(root.path());
        assert_eq!(first, marks(root.path()));
        fs::write(path("workflows/samples/x.json"), "{}").unwrap();
        let second = marks(root.path());
        assert_ne!(first, second);
        fs::write(path("relance.yaml"), "ab").unwrap();
        assert_ne!(second, marks(root.path()));
        fs::remove_file(path("workflows/samples/x.json")).unwrap();
        fs::remove_file(path("relance.yaml")).unwrap();
        assert!(marks(root.path()).is_empty());
    }
}
