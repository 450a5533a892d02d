//! Replace: a text takes the place of a file at once, through another of the same folder.
//!
//! Invariant: whoever reads sees the old file or the new one, and a crash leaves one of them whole.

use anyhow::bail;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Writes the file, or makes it; who may read it stays as it was.
///
/// # Errors
/// When it cannot be written: the old one is as it was.
pub(super) fn replace_file(path: &Path, text: &str) -> io::Result<()> {
    // A link stays a link: what it leads to is written.
    let path = match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        real => real?,
    };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = write_beside(&path, &beside, text).and_then(|()| fs::rename(&beside, &path));
    if written.is_err() {
        // The temporary file is ours; that it could not be written is what is told.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Writes a file that is not there yet; with `force` in the place of one that is.
///
/// # Errors
/// When one is there, or it cannot be written: `AlreadyExists` of the first.
pub(super) fn write_new(path: &Path, text: &str, force: bool) -> io::Result<()> {
    match force {
        true => replace_file(path, text),
        false => File::create_new(path)?.write_all(text.as_bytes()),
    }
}

/// As [`replace_file`], of a file that was read before.
///
/// # Errors
/// When it cannot be written, or is another one now than the one that was read.
pub(super) fn replace_read(path: &Path, before: &str, after: &str) -> anyhow::Result<()> {
    if fs::read(path)? != before.as_bytes() {
        bail!("the file was changed in the meantime: nothing was written to it");
    }
    Ok(replace_file(path, after)?)
}

fn write_beside(path: &Path, beside: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create_new(beside)?;
    file.write_all(text.as_bytes())?;
    match fs::metadata(path) {
        Ok(before) => file.set_permissions(before.permissions())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn a_file_is_replaced_whole_and_stays_who_may_read_it_and_what_leads_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        replace_file(&path("real"), "one").unwrap();
        fs::set_permissions(path("real"), fs::Permissions::from_mode(0o640)).unwrap();
        symlink(path("real"), path("link")).unwrap();
        let before = File::open(path("real")).unwrap();
        replace_file(&path("link"), "another").unwrap();
        assert_eq!(fs::read_to_string(path("real")).unwrap(), "another");
        assert!(path("link").is_symlink());
        assert_eq!(path("real").metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(io::read_to_string(before).unwrap(), "one", "who read it reads on");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside");
        assert!(replace_file(&path("nowhere/file"), "x").is_err());
    }
}
