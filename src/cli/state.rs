//! The folder `.relance/` of a project, or wherever `RELANCE_STATE` puts it: database, admin token, files of customers.
//! Nobody but its owner may look into it.

use super::environment;
use anyhow::Context as _;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// What means something in an address of a database.
const SPECIAL: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#');

/// Where the folder is, or will be. A project that is only read, as of a hardened unit, keeps its state elsewhere.
pub fn place(project: &Path) -> PathBuf {
    environment::lookup("RELANCE_STATE").map_or_else(|| project.join(".relance"), PathBuf::from)
}

/// The folder; made when it is not there.
///
/// # Errors
/// When it cannot be made.
pub fn folder(project: &Path) -> anyhow::Result<PathBuf> {
    let folder = place(project);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.with_context(|| format!("cannot make the folder {}", folder.display()))?;
    Ok(folder)
}

/// The address of a SQLite file in it.
///
/// # Errors
/// As [`folder`], or when the path is not UTF-8.
pub fn sqlite_url(project: &Path, name: &str) -> anyhow::Result<String> {
    url_of(&folder(project)?.join(name))
}

/// The address of a SQLite file.
///
/// # Errors
/// When its path is not UTF-8.
pub fn url_of(path: &Path) -> anyhow::Result<String> {
    let path = path.to_str().with_context(|| format!("the path is not UTF-8: {}", path.display()))?;
    Ok(format!("sqlite:{}?mode=rwc", utf8_percent_encode(path, SPECIAL)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_folder_is_its_owners_alone_and_its_address_holds_whatever_the_path_is_called() {
        let outer = tempfile::tempdir().unwrap();
        let project = outer.path().join("100% #1?");
        let url = sqlite_url(&project, "relance.db").unwrap();
        assert!(url.ends_with("/100%25 %231%3F/.relance/relance.db?mode=rwc"), "{url}");
        let mode = project.join(".relance").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
