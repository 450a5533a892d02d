//! The account from the command line: a client made of the project and the environment, and how its refusals end a
//! command.

use super::exit::{Exit, Failure};
use super::{Global, environment, project, serve};
use crate::config::{CallbellSettings, Environment, Files, Project};
use crate::connector::{Callbell, Refused};
use crate::workflow;

/// What a command needs that asks the account.
pub(super) struct Account {
    pub(super) callbell: Callbell,
    pub(super) environment: Environment,
    /// `None` without a usable `relance.yaml`.
    pub(super) project: Option<Project>,
    pub(super) files: Files,
}

impl Account {
    /// # Errors
    /// When the environment cannot be read, or names no token.
    pub(super) fn of(global: &Global) -> anyhow::Result<Self> {
        let environment = read_environment()?;
        if environment.callbell_token.is_none() {
            let hint = "it is the API token of the Callbell account";
            return Err(Failure::error(Exit::Usage, "CALLBELL_TOKEN is not set", hint));
        }
        let files = project::read_files(&global.project)?;
        let project = workflow::load(&files).project;
        let base = base_url(&environment, project.as_ref());
        let hint = "check CALLBELL_BASE_URL, and `callbell.base_url` in relance.yaml";
        let callbell = Callbell::new(&base, environment.callbell_token.clone())
            .map_err(|error| Failure::error(Exit::Usage, format!("{error:#}"), hint))?;
        Ok(Self { callbell, environment, project, files })
    }

    /// Whether the account is a sandbox on this machine.
    pub(super) fn is_local(&self) -> bool {
        serve::is_loopback(&base_url(&self.environment, self.project.as_ref()))
    }
}

/// The environment's address of the account, else the project's, else the usual one.
fn base_url(environment: &Environment, project: Option<&Project>) -> String {
    match project {
        Some(project) => serve::base_url(environment, project).to_owned(),
        None => environment.callbell_base_url.clone().unwrap_or_else(|| CallbellSettings::default().base_url),
    }
}

/// # Errors
/// Everything that is wrong with the environment, at once.
pub(super) fn read_environment() -> anyhow::Result<Environment> {
    Environment::read(&environment::lookup)
        .map_err(|mistakes| Failure::error(Exit::Usage, mistakes.join("; "), "mend the environment variables"))
}

/// What the account answered; exit 4 when it refused, 3 when it did not answer.
pub(super) fn told<T>(answer: anyhow::Result<T>) -> anyhow::Result<T> {
    answer.map_err(|error| match Refused::of(&error) {
        Some(refused) => Failure::error(Exit::Refused, format!("{error:#}"), refused.hint()),
        None => {
            let hint = "check the network and CALLBELL_BASE_URL, then try again";
            Failure::error(Exit::NoConnection, format!("the account does not answer: {error:#}"), hint)
        }
    })
}
