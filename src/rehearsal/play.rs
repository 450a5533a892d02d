//! Play: one test of a file on a stage, entry by entry, until something is not as expected.
//!
//! Invariant: the first entry at fault ends the test: what follows from it would only confuse.

use super::judge;
use super::stage::{Opening, Scene, Stage};
use crate::workflow::test_file::{Entry, Happening, Place, Test, TestFile, Unheard, What};
use std::collections::BTreeSet;

/// What became of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Empty = it passed.
    pub failures: Vec<Failure>,
    /// Places of workflows that it went through.
    pub went: BTreeSet<String>,
}

/// Something that is not as the test says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub place: Place,
    /// What was expected, and what happened instead.
    pub message: String,
    /// Why, as far as the engine tells: what is waiting, held, skipped.
    pub why: Vec<String>,
    /// What to look at next.
    pub hint: String,
}

/// Plays a test.
///
/// # Errors
/// When it cannot be played at all: the database, an engine that does not come to rest.
pub fn play(stage: &mut Stage, file: &TestFile, test: &Test) -> anyhow::Result<Outcome> {
    let opening = Opening {
        start_ms: test.start_ms,
        workflows: file.workflows.clone(),
        people: test.people.values().cloned().collect(),
        replies: test.replies.clone(),
        audience: test.audience.clone(),
    };
    let mut scene = stage.begin(&opening)?;
    let mut failures = Vec::new();
    for entry in &test.timeline {
        failures = play_entry(&mut scene, file, test, entry)?;
        if !failures.is_empty() {
            break;
        }
    }
    if let (true, Some(last)) = (failures.is_empty(), test.timeline.last()) {
        failures = judge::left_over(&mut scene, file, test, last.place)?;
    }
    let went = super::coverage::went(&scene)?;
    Ok(Outcome { failures, went })
}

fn play_entry(scene: &mut Scene<'_>, file: &TestFile, test: &Test, entry: &Entry) -> anyhow::Result<Vec<Failure>> {
    scene.advance(entry.at_ms)?;
    let happened = match &entry.what {
        What::Expect(expected) => return judge::judge(scene, file, test, expected, entry.place),
        What::Happens(Happening::Webhook { unheard: Some(unheard), .. }) => {
            return Ok(vec![meant(entry.place, unheard)]);
        }
        What::Happens(happening) => happen(scene, happening),
    };
    // What a person can do depends on what was sent: that it cannot be done is a finding of the test.
    Ok(happened.err().map(|error| impossible(entry.place, &error)).into_iter().collect())
}

fn happen(scene: &mut Scene<'_>, happening: &Happening) -> anyhow::Result<()> {
    match happening {
        Happening::Webhook { event, data, .. } => scene.event(event, data.clone()),
        Happening::Message { from, text, media } => scene.says(from, text, media.as_deref()),
        Happening::Button { from, press } => scene.taps(from, press),
        Happening::Status { is, code } => scene.status(*is, *code),
        Happening::Tagged { of, tags } => scene.tagged(of, tags),
        Happening::Restart => scene.restart(),
    }
}

/// Whatever is expected of an event that was not meant shows nothing.
fn meant(place: Place, unheard: &Unheard) -> Failure {
    Failure { place, message: unheard.message.clone(), why: Vec::new(), hint: unheard.hint.clone() }
}

fn impossible(place: Place, error: &anyhow::Error) -> Failure {
    Failure {
        place,
        message: format!("this cannot happen here: {error:#}"),
        why: Vec::new(),
        hint: "put an `expect` before it, to see what was sent until then".into(),
    }
}
