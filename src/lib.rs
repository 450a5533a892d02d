//! relance: messaging automations written as YAML.
#![forbid(unsafe_code)]

pub mod cli;
pub mod clock;
pub mod condition;
pub mod config;
pub mod connector;
pub mod contact;
pub mod delivery;
pub mod event;
pub mod expr;
pub mod message;
pub mod run;
pub mod trigger;
pub mod workflow;
