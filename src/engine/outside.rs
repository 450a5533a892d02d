//! Outside: what the engine is given of its surroundings beside the account. Invariant: nothing here is asked of the
//! environment by the engine itself; who starts it says it.

use crate::config::Secret;
use crate::connector::transport::Transport;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Looks the variable of a secret up; `None` = not set.
pub type SecretLookup = Arc<dyn Fn(&str) -> Option<Secret> + Send + Sync>;

/// What the engine needs of its surroundings for what it does beside the account.
#[derive(Clone)]
pub struct Outside {
    /// Looks the variable of a secret up; `None` = not set.
    pub secrets: SecretLookup,
    /// Whether the targets of the relay get anything: what is played in `dev` must not reach real systems.
    pub relays: bool,
    /// Where files of customers are kept; made when the first one comes. `None`: they are not kept.
    pub media: Option<PathBuf>,
    /// Whether a ballast is laid beside a SQLite file, for the last results on a full disk.
    pub ballast: bool,
    /// Whether servers on one database call out to each other; without it they find everything a little later.
    pub hints: bool,
    /// How the calls of `http_request` travel.
    pub http: Transport,
    /// What is read in the place of lists of people.
    pub lists: Lists,
    /// Whether the loop has a thread of its own; without it, it is a task of the runtime that starts it.
    pub own_thread: bool,
}

/// Lists of people that stand for files of the project, by their path below `workflows/`: of a test that gives its own.
#[derive(Debug, Clone, Default)]
pub struct Lists(Arc<Mutex<BTreeMap<String, Arc<[u8]>>>>);

impl Lists {
    /// From now on these are read, and nothing that stood before them.
    pub fn set(&self, lists: impl IntoIterator<Item = (String, Arc<[u8]>)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = lists.into_iter().collect();
    }

    pub(super) fn of(&self, name: &str) -> Option<Arc<[u8]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

impl Default for Outside {
    /// Without any secret; nothing is handed on.
    fn default() -> Self {
        Self {
            secrets: Arc::new(|_| None),
            relays: false,
            media: None,
            ballast: false,
            hints: false,
            http: Transport::Network,
            lists: Lists::default(),
            own_thread: true,
        }
    }
}

impl Outside {
    pub(super) fn secret(&self, name: &str) -> Option<Secret> {
        (self.secrets)(name)
    }
}

impl std::fmt::Debug for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outside").finish_non_exhaustive()
    }
}
