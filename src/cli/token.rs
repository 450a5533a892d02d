//! The admin token: `RELANCE_TOKEN`, else one of the project's own, made at first start in `.relance/token`.
//!
//! Without it, whoever reaches the port would read every customer's data. Invariant: the file is readable by its owner
//! only, from the instant it exists, and is never there half written.

use super::state;
use crate::clock;
use crate::config::Secret;
use anyhow::{Context as _, bail};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

const OWNER_ONLY: u32 = 0o600;

/// The token that opens this project's server: what the environment says, else the file's, which is made.
///
/// # Errors
/// When the file cannot be made or read, or is empty.
pub fn read_or_make(project: &Path, from_environment: Option<Secret>) -> anyhow::Result<Secret> {
    if let Some(token) = from_environment {
        return Ok(token);
    }
    let path = file(project);
    if !path.exists() {
        // Made with it: nobody else may look into it.
        state::folder(project)?;
        make(&path).with_context(|| format!("cannot write the admin token: {}", path.display()))?;
    }
    // A copy or an unpacked archive may have opened it to others.
    fs::set_permissions(&path, Permissions::from_mode(OWNER_ONLY))
        .with_context(|| format!("cannot keep the admin token to its owner: {}", path.display()))?;
    match read(project) {
        Some(token) => Ok(Secret::new(token)),
        None => bail!("the admin token cannot be read: {} (delete it to get a new one)", path.display()),
    }
}

/// The project's own token; `None` when there is none, or it cannot be read.
pub fn read(project: &Path) -> Option<String> {
    let text = fs::read_to_string(file(project)).ok()?;
    Some(text.trim().to_owned()).filter(|token| !token.is_empty())
}

fn file(project: &Path) -> PathBuf {
    state::place(project).join("token")
}

/// Written beside and linked into place: of two processes that start at once, one wins and both read its token.
fn make(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let draft = folder.join(format!("token.{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(OWNER_ONLY).open(&draft)?;
    writeln!(file, "{}", hex::encode(clock::new_secret()))?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_for_its_owner_only_and_the_environment_wins() {
        let project = tempfile::tempdir().unwrap();
        assert_eq!(read(project.path()), None);
        let made = read_or_make(project.path(), None).unwrap();
        assert_eq!(made.expose().len(), 64);
        let path = file(project.path());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(read_or_make(project.path(), None).unwrap(), made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(project.path()).as_deref(), Some(made.expose()));
        let given = read_or_make(project.path(), Some(Secret::new("mine"))).unwrap();
        assert_eq!(given, Secret::new("mine"));
    }

    #[test]
    fn an_empty_token_opens_nothing() {
        let project = tempfile::tempdir().unwrap();
        fs::create_dir(project.path().join(".relance")).unwrap();
        fs::write(file(project.path()), " \n").unwrap();
        let refused = read_or_make(project.path(), None).unwrap_err();
        assert!(refused.to_string().contains("delete it"), "{refused}");
    }
}
