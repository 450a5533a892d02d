//! The environment as the process sees it: variables, files that hold secrets, and `.env` while developing.

use anyhow::Context as _;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A variable; else, for secrets kept in files (systemd credentials, mounted secrets), the content of the file that
/// `<name>_FILE` names. Empty counts as unset.
pub fn lookup(name: &str) -> Option<String> {
    let value = std::env::var(name).ok().or_else(|| {
        let path = std::env::var(format!("{name}_FILE")).ok()?;
        match fs::read_to_string(&path) {
            Ok(content) => Some(content.trim_end_matches(['\r', '\n']).to_owned()),
            Err(error) => {
                tracing::error!(variable = name, %error, "the file named by `{name}_FILE` cannot be read");
                None
            }
        }
    });
    value.filter(|value| !value.trim().is_empty())
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
    use super::DotEnv;

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
