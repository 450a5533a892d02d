//! The environment as the process sees it: variables, and files that hold secrets.

use std::fs;

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
