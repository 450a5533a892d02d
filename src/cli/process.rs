//! The process as the system made it: what a server that keeps other people's numbers should not have.
//!
//! Loosening is said at the start and refused nowhere: a container may have no other user. Invariant: nothing here is
//! changed, it is only looked at; the unit file and the image of `deploy/` set it.

use std::fs;

/// What is loose about this process, each a sentence.
pub(super) fn warnings() -> Vec<String> {
    // Not there outside Linux: then nothing is known.
    let read = |file: &str| fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    loose(&read("status"), &read("limits"))
}

/// `status`, `limits`: the files of that name below `/proc/self`.
fn loose(status: &str, limits: &str) -> Vec<String> {
    let mut found = Vec::new();
    if effective_user(status) == Some("0") {
        found.push("relance runs as root: give it a user of its own, as `deploy/relance.service` does".to_owned());
    }
    if core_size(limits).is_some_and(|size| size != "0") {
        found.push("a crash may write secrets and messages to a core file: start it with `ulimit -c 0`".to_owned());
    }
    found
}

/// `Uid:` real, effective, saved, of the file system.
fn effective_user(status: &str) -> Option<&str> {
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)
}

/// The soft limit, `unlimited` or bytes.
fn core_size(limits: &str) -> Option<&str> {
    limits.lines().find_map(|line| line.strip_prefix("Max core file size"))?.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_core_files_are_told_and_nothing_else_is() {
        let (root, own) = ("Name:\trelance\nUid:\t1000\t0\t0\t0\n", "Uid:\t0\t1000\t1000\t1000\n");
        let limit = |soft: &str| format!("Limit  Soft  Hard\nMax core file size        {soft}   unlimited   bytes\n");
        assert_eq!(loose(own, &limit("0")), [""; 0]);
        assert_eq!(loose("", ""), [""; 0]);
        assert!(loose(root, &limit("0"))[0].contains("root"));
        for soft in ["unlimited", "1048576"] {
            let said = loose(own, &limit(soft));
            assert!(said.len() == 1 && said[0].contains("core"), "{said:?}");
        }
        assert_eq!(loose(root, &limit("unlimited")).len(), 2);
    }
}
