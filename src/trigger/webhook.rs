//! Webhooks from outside: who may call, and how a second delivery is recognised.
