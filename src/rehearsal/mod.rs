//! Rehearsal: a project played where nothing leaves: the engine, gate and store of `serve`, a database in memory, the fake
//! account in the same process, and a clock that stands still until it is moved.
//!
//! ```text
//! Stage (a worker's: database, migrated once)
//!   └─ Scene (one story: account, clock, engine) ── event, says, tagged … ── advance ── sent, called
//! ```
//! `play` plays the tests of a project on it, `judge` says what was not as expected, and why; `preview` plays what one cause
//! comes to. `dev` shares the passage of time. Invariant: what happens here is what would happen there: no rule has a second version.

mod catalogue;
pub mod coverage;
mod judge;
mod office;
mod passage;
mod people;
mod play;
mod preview;
mod stage;
mod stepper;
mod systems;
mod why;

pub use catalogue::furnished;
pub use office::office;
pub use passage::{learn_lines, travel};
pub use play::{Failure, Outcome, play};
pub use preview::{Ahead, Asked, Cause, Foreseen, Hold, preview};
pub use stage::{Opening, Scene, Stage};
pub use systems::Called;
