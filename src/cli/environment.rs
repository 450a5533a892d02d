//! The environment as the process sees it: variables, files that hold secrets, and `.env` while developing.

use anyhow::Context as _;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A variable; else the content of a file, for secrets that are kept in one: the file that `<name>_FILE` names (mounted
/// secrets), or the systemd credential `<name>`; `relance_<name>` is what systemd calls the files of a folder that is
/// loaded as `relance`. Empty counts as unset.
pub fn lookup(name: &str) -> Option<String> {
    find(name, &|name| std::env::var(name).ok())
}

fn find(name: &str, variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let value = variable(name).or_else(|| read_secret(&secret_file(name, variable)?));
    value.filter(|value| !value.trim().is_empty())
}

/// Where a secret lies that no variable holds.
fn secret_file(name: &str, variable: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    if let Some(named) = variable(&format!("{name}_FILE")) {
        return Some(named.into());
    }
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let folder = PathBuf::from(variable("CREDENTIALS_DIRECTORY").filter(|_| is_name)?);
    [name.to_owned(), format!("relance_{name}")].map(|id| folder.join(id)).into_iter().find(|path| path.is_file())
}

fn read_secret(path: &Path) -> Option<String> {
    let read = fs::read_to_string(path);
    // Its path may be told, its content never.
    let read = read.inspect_err(|error| tracing::error!(file = %path.display(), %error, "a secret cannot be read"));
    read.ok().map(|content| content.trim_end_matches(['\r', '\n']).to_owned())
}

/// The `.env` of a project: `dev` reads it, `serve` never does.
#[derive(Default)]
pub struct DotEnv(BTreeMap<String, String>);

impl DotEnv {
    /// Reads `.env` in `root`; none there is no mistake.
    ///
    /// # Errors
    /// When the file is there and cannot be read, naming the entry but not its text, which may be secret.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let path = root.join(".env");
        if !path.exists() {
            return Ok(Self::default());
        }
        let entries = dotenvy::from_path_iter(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let numbered = entries.zip(1..).map(|(entry, number)| {
            entry.map_err(|_| anyhow::anyhow!("{}: entry {number} is not `NAME=value`", path.display()))
        });
        Ok(Self(numbered.collect::<anyhow::Result<_>>()?))
    }

    /// As [`lookup`], and what that leaves unset from the file.
    pub fn lookup(&self, name: &str) -> Option<String> {
        lookup(name).or_else(|| self.0.get(name).filter(|value| !value.trim().is_empty()).cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_from_its_variable_else_from_a_file_named_for_it_else_from_the_credentials() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(at("mounted"), "from a file\r\n").unwrap();
        std::fs::write(at("TILL_TOKEN"), "a credential\n").unwrap();
        std::fs::write(at("relance_CRM_TOKEN"), "of a folder").unwrap();
        std::fs::write(at("EMPTY"), "\n").unwrap();
        let pairs = [
            ("PLAIN", "a variable".to_owned()),
            ("PLAIN_FILE", at("mounted")),
            ("MOUNTED_FILE", at("mounted")),
            ("GONE_FILE", at("nothing")),
            ("CREDENTIALS_DIRECTORY", at("")),
        ];
        let variable = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone());
        let found = |name: &str| find(name, &variable);
        assert_eq!(found("PLAIN").as_deref(), Some("a variable"));
        assert_eq!(found("MOUNTED").as_deref(), Some("from a file"));
        assert_eq!(found("TILL_TOKEN").as_deref(), Some("a credential"));
        assert_eq!(found("CRM_TOKEN").as_deref(), Some("of a folder"));
        for name in ["GONE", "EMPTY", "NOWHERE", "../mounted", "", "."] {
            assert_eq!(found(name), None, "{name}");
        }
    }

    #[test]
    fn a_dot_env_fills_what_the_environment_leaves_unset_and_its_mistakes_show_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(DotEnv::read(folder.path()).unwrap().lookup("RELANCE_TEST_DOTENV"), None);
        let write = |text: &str| std::fs::write(folder.path().join(".env"), text).unwrap();
        write("# secrets\nRELANCE_TEST_DOTENV=\"t0k3n #1\"\nRELANCE_TEST_EMPTY=\nPATH=nowhere\n");
        let read = DotEnv::read(folder.path()).unwrap();
        assert_eq!(read.lookup("RELANCE_TEST_DOTENV").as_deref(), Some("t0k3n #1"));
        assert_eq!(read.lookup("RELANCE_TEST_EMPTY"), None);
        assert_ne!(read.lookup("PATH").as_deref(), Some("nowhere"));
        write("RELANCE_TEST_DOTENV=x\nmy secret line\n");
        let said = format!("{:#}", DotEnv::read(folder.path()).err().unwrap());
        assert!(said.contains("entry 2") && !said.contains("secret"), "{said}");
    }
}
