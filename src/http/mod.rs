//! Http: placeholder until the branch of that name is merged.
pub mod dashboard;
