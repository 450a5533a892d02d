//! relance: messaging automations written as YAML. When something happens, if conditions hold, do send the right
//! WhatsApp message: plain text while the person's 24-hour window is open, an approved template when it is closed.
//!
//! # The path of one message
//!
//! ```text
//!  webhook / schedule / inbound ──► event ──► match ──► run ──► steps ──► delivery ──► gate ──► attempt ──► outcome ──► status
//!         http, engine::fire         └────────── one transaction ──────────┘            └─ after the commit ─┘      └ Callbell webhooks
//! ```
//!
//! 1. [`http`] authenticates and reads a request ([`trigger::webhook`], [`connector::webhook`]) into an [`event`].
//! 2. [`engine`] takes what waits and makes one group of it: facts are loaded by a select per kind, [`engine::advance`]
//!    moves each [`run`] of a [`workflow`] to its next pause in memory, a statement per table writes it back, one commit.
//!    Only then is anybody answered.
//! 3. A step that sends only plans a [`delivery`], with both forms of its [`message`] already rendered ([`action`]).
//! 4. In the same group [`outbox`] looks a last time at what is due ([`outbox::gate`]): send plain, send the template,
//!    hold, or skip, always with a reason. `sending` is committed before the first byte.
//! 5. [`connector`] makes the call; its outcome is data, an item of a later group ([`outbox::settle`]). A call in doubt
//!    is `uncertain`, never made again by itself.
//!
//! A step that calls out (`http_request`, `update_contact`) plans a [`call`] instead, which is taken, committed, made and
//! settled the same way (`engine::calls`).
//!
//! [`rehearsal`] plays a project where nothing leaves: the same engine on a database in memory, the fake account, a clock that
//! stands still. `relance test` stands on it.
//!
//! # Layers
//!
//! Arrows point one way: `cli → http, rehearsal → engine → outbox → connector`; `engine → workflow → trigger, condition, action →
//! expr → nouns`; `http, engine, outbox → store → nouns`. Pure (no async, clock, database, network): the nouns, `expr`,
//! `condition`, `workflow`, `trigger`, `action`, `engine::{advance, asking}`, `outbox::{gate, window, rates, settle}`,
//! `connector::{wire, webhook}`. `tests/it/tidy.rs` enforces it.
//!
//! # Invariants
//!
//! - An event's row exists if and only if everything it caused exists.
//! - Nobody is answered, and no byte is sent, before the commit that holds the reason for it.
//! - A message is attempted again only when the attempt before is proven not to have arrived.
//! - Only [`clock`] asks what time it is; a dry run cannot differ from the run.
#![forbid(unsafe_code)]

// Nouns.
pub mod attachment;
pub mod call;
pub mod clock;
pub mod config;
pub mod consent;
pub mod contact;
pub mod delivery;
pub mod event;
pub mod language;
pub mod message;
pub mod personal;
pub mod relay;
pub mod rules;
pub mod run;

// The language.
pub mod condition;
pub mod expr;
pub mod trigger;
pub mod workflow;

// What happens.
pub mod action;
pub mod engine;
pub mod outbox;

// The edges.
pub mod cli;
pub mod connector;
pub mod http;
pub mod rehearsal;
pub mod store;
