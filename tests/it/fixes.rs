//! What `check --fix` writes: the broken files of `tests/bad` that can be mended without a doubt are good afterwards,
//! and nothing else of a file moves.

use crate::bad::{NOW_MS, cases, files_of, project};
use relance::cli::check::render_human;
use relance::config::Files;
use relance::workflow::diagnostic::Diagnostic;
use relance::workflow::fix::{Fixed, fix};
use std::collections::BTreeSet;
use std::fmt::Write as _;

fn check(files: &Files) -> Vec<Diagnostic> {
    relance::workflow::check(files, NOW_MS).diagnostics
}

fn mended(files: &Files) -> Fixed {
    fix(files, check)
}

/// Codes of which `language.md` says that `--fix` mends them.
const FIXABLE: [&str; 11] = ["R101", "R102", "R103", "R104", "R105", "R106", "R301", "R303", "R304", "R305", "R308"];

/// Files with such a code that a person has to mend, because two things could have been meant, or the other side of the
/// comparison is not beside the field.
const FOR_A_PERSON: [&str; 2] = ["R103_merge_key", "R303_sides_changed"];

/// What is told of a mended file all the same: other mistakes of its own, or what the broken notation hid.
const OTHERS: [(&str, &str); 9] = [
    ("R103_anchor_and_alias", "R501"),
    ("many_mistakes", "R201"),
    ("many_mistakes", "R205"),
    ("many_mistakes", "R206"),
    ("many_mistakes", "R306"),
    ("many_mistakes", "R307"),
    ("many_mistakes", "R403"),
    ("many_mistakes", "R408"),
    ("many_yaml_mistakes", "R309"),
];

fn name_of<'n>(name: &'n str, one: &Diagnostic) -> (&'n str, &'static str) {
    (name, one.code)
}

#[test]
fn what_can_be_mended_is_good_afterwards() {
    let mut wrong = String::new();
    let mut left: BTreeSet<String> = BTreeSet::new();
    let mut good = 0;
    for (case, folder) in cases() {
        let files = files_of(&case, folder);
        let before = check(&files);
        let fixable = |one: &Diagnostic| FIXABLE.contains(&one.code) || one.code == "R410";
        if !before.iter().any(|one| fixable(one) || !one.fix.is_empty()) {
            continue;
        }
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let fixed = mended(&files);
        if before.iter().any(|one| fixable(one) && one.fix.is_empty()) {
            left.insert(name);
        } else if !fixed.left_out.is_empty()
            || fixed.diagnostics.iter().any(|one| !OTHERS.contains(&name_of(&name, one)))
        {
            let _ = writeln!(wrong, "== {name}\n{}", render_human(&fixed.diagnostics, &fixed.files));
        } else {
            good += 1;
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert_eq!(left, FOR_A_PERSON.map(str::to_owned).into());
    assert!(good >= 40, "{good} files");
}

#[test]
fn comments_and_layout_stay_and_mistakes_that_stand_in_one_another_are_all_mended() {
    let text = r#"# Ours
name:   Order paid       # shown to people
purpose: utility
when: { webhook: order.paid }   # the till
contact: { phone: event.customer.phone }
if: “EUR” = event.currency and event.total > 0      # only ours
settings: { once_per: {{event.order_id}} }
do:
  - send_message:
      text: Hi {event.customer.first_name}, order #{{event.order_number}} is paid
      outside_window: skip    # no template yet

  # then
  - send_message: { text: Note: {event.currency} it is, outside_window: skip }
  - send_message:
      template: exemple_message
      values:
        prenom: |
          {{event.customer.first_name}}
          of our shop
"#;
    let wanted = r#"# Ours
name:   Order paid       # shown to people
purpose: utility
when: { webhook: order.paid }   # the till
contact: { phone: "{{event.customer.phone}}" }
if: '"EUR" == event.currency && event.total > 0'      # only ours
settings: { once_per: event.order_id }
do:
  - send_message:
      text: "Hi {{event.customer.first_name}}, order #{{event.order_number}} is paid"
      outside_window: skip    # no template yet

  # then
  - send_message: { text: "Note: {{event.currency}} it is", outside_window: skip }
  - send_message:
      template: exemple_message
      values:
        prenom: "{{event.customer.first_name}} of our shop"
"#;
    let mut files = project();
    files.insert("workflows/bad.yaml".into(), text.into());
    let fixed = mended(&files);
    assert_eq!(fixed.files["workflows/bad.yaml"], wanted, "{}", render_human(&fixed.diagnostics, &fixed.files));
    assert_eq!(fixed.changed, BTreeSet::from(["workflows/bad.yaml".to_owned()]));
    assert_eq!(render_human(&fixed.diagnostics, &fixed.files), "");
    let again = mended(&fixed.files);
    assert!(again.changed.is_empty() && again.mended.is_empty(), "nothing is mended twice");
}

#[test]
fn lines_keep_their_ends_and_a_file_that_is_not_utf_8_is_not_written() {
    let mut files = project();
    let text = "name: Ping\r\nwhen: { message: { is: [yes] } }\r\ndo:\r\n  - send_message: { text: Pong }\r\n";
    files.insert("workflows/bad.yaml".into(), text.into());
    files.insert("workflows/worse.yaml".into(), text.replace("Ping", "P\u{fffd}ng").replace("yes", "no"));
    let fixed = mended(&files);
    assert_eq!(fixed.files["workflows/bad.yaml"], text.replace("yes", "\"yes\""));
    assert_eq!(fixed.changed, BTreeSet::from(["workflows/bad.yaml".to_owned()]));
}

/// The texts of the steps of a file, as YAML reads them.
fn texts(yaml: &str) -> Vec<String> {
    let mut scalars = granit_parser::Parser::new_from_str(yaml).filter_map(|event| match event.unwrap().0 {
        granit_parser::Event::Scalar(text, ..) => Some(text.into_owned()),
        _ => None,
    });
    let mut texts = Vec::new();
    while scalars.by_ref().any(|scalar| scalar == "text") {
        texts.extend(scalars.next());
    }
    texts
}

#[test]
fn a_mended_text_holds_what_was_written_without_the_comment_beside_it_and_with_its_own_quotes_and_escapes() {
    let written = [
        ("{{contact.first_name}} is here", "{{contact.first_name}} is here"),
        ("Hi {{default contact.name ' # '}}: you", "Hi {{default contact.name ' # '}}: you"),
        ("Note: closed", "Note: closed"),
        ("Order #{{event.order_number}} is paid", "Order #{{event.order_number}} is paid"),
        ("Order #5 is paid", "Order #5 is paid"),
        ("*Hi* you", "*Hi* you"),
        ("Sorry: :(", "Sorry: :("),
        ("`code` is 1", "`code` is 1"),
        ("'It's ready'", "It's ready"),
        ("'L'offre d'aujourd''hui'", "L'offre d'aujourd'hui"),
        (r#""Say "yes" to us""#, r#"Say "yes" to us"#),
        (r#""Line one\nI am "Ana" \"A\"""#, "Line one\nI am \"Ana\" \"A\""),
        (r#""Ana" is here"#, r#""Ana" is here"#),
    ];
    let mut wrong = String::new();
    let mut see = |line: &str, meant: &str| {
        let head =
            "name: A\npurpose: utility\nwhen: { webhook: order.paid }\ncontact: { phone: \"+34600000001\" }\ndo:\n";
        let mut files = project();
        files.insert("workflows/bad.yaml".into(), format!("{head}{line}"));
        let fixed = mended(&files);
        let now = fixed.files["workflows/bad.yaml"].strip_prefix(head).unwrap().to_owned();
        let comments = |text: &str| text.matches("# greet by name").count();
        if fixed.mended.is_empty() || texts(&now) != [meant] || comments(line) != comments(&now) {
            let _ = writeln!(wrong, "{line}{now}{}", render_human(&fixed.diagnostics, &fixed.files));
        }
    };
    for (text, meant) in written {
        for beside in ["", "   # greet by name"] {
            see(&format!("  - send_message:\n      text: {text}{beside}\n      outside_window: skip\n"), meant);
            see(&format!("  - send_message: {{ text: {text}, outside_window: skip }}{beside}\n"), meant);
            see(
                &format!("  - send_message: {{\n      outside_window: skip,\n      text: {text}{beside}\n    }}\n"),
                meant,
            );
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn a_question_is_mended_without_the_comment_beside_it_and_good_notation_is_left_alone() {
    let head = "name: A\npurpose: utility\nwhen: { webhook: order.paid }\ncontact: { phone: \"+34600000001\" }\n";
    let tail = "do:\n  - send_message: { text: Hi, outside_window: skip }\n";
    let becomes = |text: String| {
        let mut files = project();
        files.insert("workflows/bad.yaml".into(), text);
        let fixed = mended(&files);
        assert_eq!(render_human(&fixed.diagnostics, &fixed.files), "");
        fixed.files["workflows/bad.yaml"].clone()
    };
    let question = |value: &str| format!("{head}if: \"event.total > {value}\"\n{tail}");
    assert_eq!(becomes(question("\\\"120\\\"")), question("120"));
    let settings = |value: &str| format!("{head}settings:\n  once_per: {value}  # one per order\n{tail}");
    assert_eq!(becomes(settings("{{event.order_id}}")), settings("event.order_id"));
    for good in [
        format!("{head}stop_when: #ends it\n#  - webhook: order.refunded\n  - webhook: order.paid\n{tail}"),
        format!("{head}do:\n  - send_message: {{ text: Sorry we missed you :( }}\n")
            .replace(":( }", ":(, outside_window: skip }"),
        format!("{head}do:\n  - send_message: {{ outside_window: skip, text: Sorry we missed you :( }}\n"),
    ] {
        assert_eq!(becomes(good.clone()), good);
    }
    let one_brace = |name: &str| {
        format!("{head}do:\n  - send_message:\n      text: Hi {name}, {{{{event.totl}}}}\n      outside_window: skip\n")
    };
    let mut files = project();
    files.insert("workflows/bad.yaml".into(), one_brace("{contact.phone}"));
    let codes: BTreeSet<_> = check(&files).iter().map(|one| one.code).collect();
    assert_eq!(codes, BTreeSet::from(["R305", "R307"]), "a mistake of one field hides none of another");
    assert_eq!(mended(&files).files["workflows/bad.yaml"], one_brace("{{contact.phone}}"));
}

/// Whatever is in a file, mending it adds no error.
#[test]
fn no_file_is_worse_afterwards() {
    for (case, folder) in cases() {
        let files = files_of(&case, folder);
        let errors = |found: &[Diagnostic]| relance::cli::check::counts(found).0;
        let (before, fixed) = (check(&files), mended(&files));
        assert!(errors(&fixed.diagnostics) <= errors(&before), "{}", case.display());
    }
}

#[test]
fn an_allowance_is_kept_while_it_silences_something_and_told_when_it_does_not() {
    let told = |text: &str| -> Vec<(usize, usize, String)> {
        let mut files = project();
        files.insert("workflows/bad.yaml".into(), text.into());
        let row = |one: Diagnostic| (one.line, one.column, format!("{} {}", one.code, one.message));
        check(&files).into_iter().map(row).collect()
    };
    let file = |comment: &str, wait: &str| {
        format!(
            "name: A\npurpose: utility\nwhen: {{ webhook: order.paid }}\ncontact: {{ phone: \"+34600000001\" }}\ndo:\n  \
             - wait: {wait}    {comment}\n  - send_message: {{ text: Hi, outside_window: skip }}\n"
        )
    };
    assert_eq!(told(&file("# allow R501", "2h")), []);
    assert_eq!(told(&file("# allow R501, R401", "2h")), [(6, 31, "R108 `allow R401` silences nothing here".into())]);
    assert_eq!(told(&file("# allow R501", "2m")), [(6, 25, "R108 `allow R501` silences nothing here".into())]);
    assert_eq!(told(&file("# allow R999", "2m")), [(6, 25, "R108 there is no code `R999`".into())]);
    let error = told(&file("# allow R205", "2 months"));
    let codes: Vec<&str> = error.iter().map(|(_, _, told)| &told[..4]).collect();
    assert_eq!(codes, ["R205", "R108"], "an error is told all the same: {error:?}");
    let text =
        "name: A\nwhen: { message: { is: hi } }\ndo:\n  - send_message:\n      text: |\n        Write # allow R409\n";
    assert_eq!(told(text), [], "what stands in a text is no comment");
}
