//! Actions: what the steps of `do` plan. An intent is data; the engine stores it and the outbox carries it out.

pub mod send_message;
