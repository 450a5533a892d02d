//! Explain: what a checked workflow does, in plain English or French, for whoever did not write it. Pure.
//!
//! It is told from the model, not from the file, so that what is told is what runs. Invariant: nothing that the model holds
//! is left out.

mod english;
mod french;
mod phrases;
mod start;
mod steps;

mod words;

use super::Workflow;
use crate::delivery::Purpose;
use english::ENGLISH;
use french::FRENCH;
use phrases::Phrases;

/// Columns by which what belongs to a step is moved in.
const INDENT: usize = 3;

/// Explains a workflow in a language (`fr`, else English): several lines, the last one ended.
pub fn explain(workflow: &Workflow, language: &str) -> String {
    let phrases = if language == "fr" { &FRENCH } else { &ENGLISH };
    let mut telling = Telling { workflow, phrases, out: String::new() };
    telling.whole();
    telling.out
}

/// A workflow on its way into words.
struct Telling<'a> {
    workflow: &'a Workflow,
    phrases: &'static Phrases,
    out: String,
}

impl Telling<'_> {
    fn whole(&mut self) {
        let (workflow, phrases) = (self.workflow, self.phrases);
        self.line(0, &format!("{} (`{}`)", workflow.name, workflow.id));
        if !workflow.description.is_empty() {
            self.line(0, workflow.description.trim());
        }
        if !workflow.enabled {
            self.line(0, phrases.switched_off);
        }
        self.line(
            0,
            match workflow.purpose {
                Purpose::Marketing => phrases.marketing,
                Purpose::Utility => phrases.utility,
                Purpose::Service => phrases.service,
            },
        );
        self.start();
        self.heading(phrases.steps);
        self.steps(&workflow.steps, 0);
        self.stops();
        self.rules();
    }

    fn heading(&mut self, heading: &str) {
        self.out.push('\n');
        self.line(0, heading);
        self.line(0, &"-".repeat(heading.chars().count()));
    }

    /// A line, moved in so many columns; what it holds of several lines stays below its beginning.
    fn line(&mut self, columns: usize, text: &str) {
        let indent = " ".repeat(columns);
        for line in text.trim_end().lines() {
            self.out.push_str(format!("{indent}{line}").trim_end());
            self.out.push('\n');
        }
    }

    fn bullet(&mut self, columns: usize, text: &str) {
        let mut lines = text.trim_end().lines();
        self.line(columns, &format!("- {}", lines.next().unwrap_or_default()));
        lines.for_each(|line| self.line(columns + 2, line));
    }
}
