//! Condition groups of `language.md` §7.

use super::World;
use crate::condition::{Condition, Verdict};
use crate::expr::Question;

fn line(source: &str) -> Condition {
    Condition::Question(Question::parse(source).unwrap())
}

fn judged(condition: &Condition) -> Verdict {
    condition.judge(&World::new().scope())
}

#[test]
fn groups_are_three_valued() {
    use Condition::{All, Any, None};
    let (yes, no, doubt) = ("event.total > 0", "event.total > 500", "event.nothing > 0");
    let group = |lines: &[&str]| lines.iter().map(|source| line(source)).collect::<Vec<_>>();
    let no_reason = Verdict::No("event.total > 500 is no".into());
    let unsure = Verdict::Undecidable("couldn't tell: event.nothing is missing".into());
    let rows = [
        (Condition::Always, Verdict::Yes),
        (line(yes), Verdict::Yes),
        (line(no), no_reason.clone()),
        (line(doubt), unsure.clone()),
        (All(group(&[yes, yes])), Verdict::Yes),
        (All(group(&[doubt, no])), no_reason.clone()),
        (All(group(&[yes, doubt])), unsure.clone()),
        (Any(group(&[doubt, yes])), Verdict::Yes),
        (Any(group(&[doubt, no])), unsure.clone()),
        (Any(group(&[no, "event.off"])), Verdict::No("event.total > 500 is no; event.off is no".into())),
        (None(group(&[no, no])), Verdict::Yes),
        (None(group(&[no, doubt])), unsure.clone()),
        (None(group(&[doubt, yes])), Verdict::No("event.total > 0 is yes, and stands under `none`".into())),
        (None(vec![None(group(&[doubt]))]), unsure),
        (All(vec![Any(group(&[no, yes])), line(no)]), no_reason),
    ];
    for (condition, wanted) in rows {
        assert_eq!(judged(&condition), wanted, "{condition:?}");
    }
}

#[test]
fn an_answer_that_is_neither_yes_nor_no_is_undecidable() {
    let verdict = judged(&line("event.total"));
    assert_eq!(verdict, Verdict::Undecidable("couldn't tell: event.total is a number, not yes or no".into()));
    assert!(!verdict.is_yes());
}
