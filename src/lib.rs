//! relance: messaging automations written as YAML.
#![forbid(unsafe_code)]

pub mod action;
pub mod cli;
pub mod clock;
pub mod condition;
pub mod config;
pub mod connector;
pub mod contact;
pub mod delivery;
pub mod engine;
pub mod event;
pub mod expr;
pub mod http;
pub mod message;
pub mod outbox;
pub mod run;
pub mod store;
pub mod trigger;
pub mod workflow;
