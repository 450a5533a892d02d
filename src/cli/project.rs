//! The project folder on disk, read into texts: the only place that opens its files.
//!
//! Invariant: nothing outside the folder is read, and no file beyond its bound.

use crate::config::Files;
use anyhow::{Context as _, bail};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// One byte above what the checks accept, so that they see that a file is too large.
const MOST_BYTES: u64 = 256 * 1024 + 1;
/// More than any project has; a wrong folder is noticed before it is read whole.
const MOST_FILES: usize = 20_000;
/// Bytes in which the header line of a list of people must end.
const HEADER_BYTES: u64 = 64 * 1024;

/// Reads what the checks need: the project's own files, workflows, samples, and the header line of each audience.
///
/// A file that is not UTF-8 is read with `U+FFFD` in its place, where the checks then find it.
///
/// # Errors
/// When the folder is not there, a file cannot be read, or a link leads out of the folder.
pub fn read_files(root: &Path) -> anyhow::Result<Files> {
    let root = root.canonicalize().with_context(|| format!("project folder: {}", root.display()))?;
    let mut files = Files::new();
    for name in ["relance.yaml", "templates.yaml", "templates.lock.json"] {
        let path = root.join(name);
        if path.try_exists().with_context(|| name.to_owned())? {
            files.insert(name.to_owned(), read_text(&root, &path, name)?);
        }
    }
    read_folder(&root, "workflows", 0, &mut files)?;
    Ok(files)
}

fn read_folder(root: &Path, folder: &str, depth: usize, files: &mut Files) -> anyhow::Result<()> {
    let path = root.join(folder);
    if depth > 3 || !path.is_dir() {
        return Ok(());
    }
    inside(root, &path, folder)?;
    let mut entries: Vec<PathBuf> = fs::read_dir(&path)
        .with_context(|| folder.to_owned())?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    entries.sort();
    for entry in entries {
        let Some(name) = entry.file_name().and_then(|name| name.to_str()).filter(|name| !name.starts_with('.')) else {
            continue;
        };
        let relative = format!("{folder}/{name}");
        if entry.is_dir() {
            read_folder(root, &relative, depth + 1, files)?;
        } else if let Some(text) = read_one(root, &entry, &relative)? {
            files.insert(relative, text);
        }
        if files.len() > MOST_FILES {
            bail!("more than {MOST_FILES} files in `{folder}`: is this the project's folder?");
        }
    }
    Ok(())
}

/// A file of the workflows folder; `None` for what relance does not read.
fn read_one(root: &Path, path: &Path, relative: &str) -> anyhow::Result<Option<String>> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    Ok(match extension {
        "yaml" | "yml" => Some(read_text(root, path, relative)?),
        "json" if relative.starts_with("workflows/samples/") => Some(read_text(root, path, relative)?),
        "csv" => Some(read_header(root, path, relative)?),
        _ => None,
    })
}

fn read_text(root: &Path, path: &Path, relative: &str) -> anyhow::Result<String> {
    let bytes = read_bytes(root, path, relative, MOST_BYTES)?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// The header line only: the rows are people, and are read when a schedule fires.
fn read_header(root: &Path, path: &Path, relative: &str) -> anyhow::Result<String> {
    let bytes = read_bytes(root, path, relative, HEADER_BYTES)?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let text = match std::str::from_utf8(line) {
        Ok(text) => text.to_owned(),
        Err(_) => encoding_rs::WINDOWS_1252.decode(line).0.into_owned(),
    };
    Ok(format!("{}\n", text.trim_end_matches('\r')))
}

fn read_bytes(root: &Path, path: &Path, relative: &str, most: u64) -> anyhow::Result<Vec<u8>> {
    inside(root, path, relative)?;
    let file = fs::File::open(path).with_context(|| relative.to_owned())?;
    if !file.metadata().with_context(|| relative.to_owned())?.is_file() {
        bail!("`{relative}` is not a file");
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).with_context(|| relative.to_owned())?;
    Ok(bytes)
}

/// A link may not lead out of the project.
fn inside(root: &Path, path: &Path, relative: &str) -> anyhow::Result<()> {
    let real = path.canonicalize().with_context(|| relative.to_owned())?;
    if !real.starts_with(root) {
        bail!("`{relative}` is a link that leads out of the project");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_is_read_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("workflows/samples")).unwrap();
        fs::create_dir_all(root.join("workflows/audiences")).unwrap();
        fs::write(root.join("relance.yaml"), "version: 1\n").unwrap();
        fs::write(root.join("secret.yaml"), "no\n").unwrap();
        fs::write(root.join("workflows/a.yaml"), b"name: \xff\n").unwrap();
        fs::write(root.join("workflows/notes.txt"), "no\n").unwrap();
        fs::write(root.join("workflows/samples/x.y.json"), "{}").unwrap();
        fs::write(root.join("workflows/audiences/people.csv"), b"phone;pr\xe9nom\r\n+34600000001;Ana\r\n").unwrap();
        let files = read_files(root).unwrap();
        let paths: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(
            paths,
            ["relance.yaml", "workflows/a.yaml", "workflows/audiences/people.csv", "workflows/samples/x.y.json"]
        );
        assert_eq!(files["workflows/a.yaml"], "name: \u{fffd}\n");
        assert_eq!(files["workflows/audiences/people.csv"], "phone;prénom\n");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_out_of_the_project_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        fs::write(folder.path().join("relance.yaml"), "version: 1\n").unwrap();
        fs::create_dir(folder.path().join("workflows")).unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("workflows/a.yaml")).unwrap();
        let error = read_files(folder.path()).unwrap_err();
        assert!(error.to_string().contains("leads out of the project"), "{error}");
    }
}
