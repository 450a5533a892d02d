//! The one test binary: one file per promise.
//!
//! A test that needs PostgreSQL or a browser reads `RELANCE_TEST_POSTGRES`, `RELANCE_TEST_CHROMIUM` and
//! `RELANCE_TEST_CHROMEDRIVER`, which `tests/run` sets, and fails without them: a skipped test proves nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails at once")]

mod attachments;
mod bad;
mod browser;
mod cli;
mod cli_account;
mod cli_people;
mod cli_repair;
mod cli_versions;
mod crash;
mod database;
mod disk;
mod engine_account;
mod engine_calls;
mod engine_calls_contact;
mod engine_campaigns;
mod engine_clock;
mod engine_gate;
mod engine_hints;
mod engine_messages;
mod engine_nodes;
mod engine_nodes_live;
mod engine_observing;
mod engine_outbound;
mod engine_people;
mod engine_redrive;
mod engine_repair;
mod engine_replies;
mod engine_retention;
mod engine_rights;
mod engine_rights_parts;
mod engine_sending;
mod engine_silence;
mod engine_starting;
mod engine_stops;
mod engine_time;
mod engine_upgrade;
mod engine_versions;
mod gateway;
mod gateway_clients;
mod gateway_stand;
mod hand;
mod harness;
mod http_api;
mod http_callbell;
mod http_front;
mod http_hooks;
mod http_stand;
mod large_lists;
mod nodes;
mod other_system;
mod overload;
mod pages;
mod pages_repair;
mod process;
mod relay;
mod relay_serve;
mod security;
mod serve;
mod six_workflows;
mod targets;
mod tidy;
