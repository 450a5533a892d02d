//! The text with what the plan changes, line by line.
//!
//! A comment that was set apart stays in its column where there is room, so that comments below each other stay so.
//! A comment in a line of its own goes with the line it stood in one column with.

use super::plan::Plan;
use std::collections::BTreeMap;

pub(super) fn write(text: &str, plan: &Plan) -> String {
    let windows = text.split('\n').next().is_some_and(|line| line.ends_with('\r'));
    let end = if windows { "\r\n" } else { "\n" };
    let lines = lines(text, plan);
    let mut out = String::with_capacity(text.len());
    let (mut empty, mut begun) = (false, false);
    for (at, line) in lines.iter().enumerate() {
        let inside = plan.inside.contains(&at) || plan.blocks.contains_key(&at);
        if line.is_empty() && !inside {
            empty = begun;
            continue;
        }
        if std::mem::take(&mut empty) {
            out.push_str(end);
        }
        begun = true;
        out.push_str(line);
        out.push_str(end);
    }
    out
}

/// The lines as they will be, empty ones included.
fn lines(text: &str, plan: &Plan) -> Vec<String> {
    let mut start = 0;
    let alone = comments_alone(text, plan);
    let count = text.split('\n').count();
    let mut lines = Vec::with_capacity(count);
    for (at, written) in text.split('\n').enumerate() {
        let line = Line { at, start, written: written.trim_end_matches('\r') };
        // What follows the last line end is no line.
        if at + 1 < count || !line.written.is_empty() {
            lines.push(line.written_anew(plan, &alone));
        }
        start += written.len() + 1;
    }
    lines
}

struct Line<'a> {
    at: usize,
    /// Its first byte in the file.
    start: usize,
    written: &'a str,
}

impl Line<'_> {
    fn written_anew(&self, plan: &Plan, alone: &BTreeMap<usize, usize>) -> String {
        if let Some((was, will)) = plan.blocks.get(&self.at) {
            return self.of_a_block(*was, *will);
        }
        let text = self.written.trim_start_matches([' ', '\t']);
        if text.trim().is_empty() {
            return String::new();
        }
        let was = self.written.len() - text.len();
        let column = plan.indents.get(&self.at).or(alone.get(&self.at)).copied().unwrap_or(was);
        let mut out = " ".repeat(column);
        let comment = self.comment(plan);
        let mut at = self.start + was;
        let end = self.start + comment.unwrap_or(self.written.len());
        let first = plan.gaps.partition_point(|(gap, _)| gap.start < at);
        for (gap, with) in plan.gaps[first..].iter().take_while(|(gap, _)| gap.end <= end && gap.start < end) {
            out.push_str(&self.written[at - self.start..gap.start - self.start]);
            out.push_str(with);
            at = gap.end;
        }
        out.push_str(&self.written[at - self.start..end - self.start]);
        match comment {
            Some(comment) => self.with_comment(out, comment),
            None if plan.inside.contains(&(self.at + 1)) => out,
            None => out.trim_end().to_owned(),
        }
    }

    /// The text of a block keeps its own blanks.
    fn of_a_block(&self, was: usize, will: usize) -> String {
        let blanks = self.written.len() - self.written.trim_start_matches(' ').len();
        match blanks < was || (blanks == was && self.written.len() == was) {
            true => String::new(),
            false => format!("{}{}", " ".repeat(will), &self.written[was..]),
        }
    }

    /// Where in the line a comment begins.
    fn comment(&self, plan: &Plan) -> Option<usize> {
        let next = plan.comments.partition_point(|(at, _)| *at < self.start);
        let (at, _) = plan.comments.get(next)?;
        at.checked_sub(self.start).filter(|at| *at < self.written.len())
    }

    fn with_comment(&self, before: String, comment: usize) -> String {
        let text = self.written[comment..].trim_end();
        if before.trim().is_empty() {
            return format!("{before}{text}");
        }
        let before = before.trim_end();
        let was = &self.written[..comment];
        let apart = was.len() - was.trim_end().len() > 1;
        let blanks = if apart { was.chars().count().saturating_sub(before.chars().count()).max(1) } else { 1 };
        format!("{before}{}{text}", " ".repeat(blanks))
    }
}

/// The columns of comments that have a line of their own.
fn comments_alone(text: &str, plan: &Plan) -> BTreeMap<usize, usize> {
    let starts: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let column = |line: usize| {
        let rest = &text[starts[line]..];
        rest.len() - rest.trim_start_matches([' ', '\t']).len()
    };
    let mut columns = BTreeMap::new();
    for (at, within) in &plan.comments {
        let line = starts.partition_point(|start| start <= at) - 1;
        let was = column(line);
        if starts[line] + was != *at {
            continue;
        }
        let next = plan.indents.range(line..).find(|(line, _)| !plan.inside.contains(line));
        let next = next.map(|(next, will)| (column(*next), *will));
        let mut before = plan.indents.range(..line).rev().filter(|(line, _)| !plan.inside.contains(line));
        let will = match (within, next) {
            (Some(within), _) => *within,
            (None, Some((next, will))) if was <= next => will,
            (None, None) if was == 0 => 0,
            // Deeper than what follows: it ends what came before.
            _ => before.find(|(line, _)| column(**line) <= was).map_or(0, |(_, will)| *will),
        };
        columns.insert(line, will);
    }
    columns
}
