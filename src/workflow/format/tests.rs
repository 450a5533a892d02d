use super::{Left, format};
use proptest::prelude::*;

fn formatted(text: &str) -> String {
    let once = format("a.yaml", text).unwrap_or_else(|left| panic!("{left:?} of\n{text}"));
    assert_eq!(format("a.yaml", &once).unwrap(), once, "formatted twice:\n{text}");
    once
}

#[test]
fn one_layout_comes_of_many() {
    for (written, expected) in [
        ("name:    it   \n\n\n\nif:\n- a\n-   b\n", "name: it\n\nif:\n  - a\n  - b\n"),
        ("\n\n# head\nname: a", "# head\nname: a\n"),
        (
            "do:\n    - wait: 2h\n      id:  x\n    -\n        wait: 1h\n",
            "do:\n  - wait: 2h\n    id: x\n  -\n    wait: 1h\n",
        ),
        ("do: [ {a: 1,b : [ 1,2 ,3 ]} ,{}, [ ], {  } ]\n", "do: [{ a: 1, b: [1, 2, 3] }, {}, [], {}]\n"),
        ("a: { b: 1, }\nc: [x, ]\n", "a: { b: 1, }\nc: [x, ]\n"),
        ("a: {b: 1,\n      c: [\n  2 ,\n     3]\n   }\n", "a: { b: 1,\n  c: [\n    2,\n    3]\n}\n"),
        ("- { a: 1,\n  b: 2 }\n", "- { a: 1,\n    b: 2 }\n"),
        ("- -   x\n  -  y\n", "- - x\n  - y\n"),
        ("\"q\" : 'it''s'\n'r':   \"\\t\"\n", "\"q\": 'it''s'\n'r': \"\\t\"\n"),
        ("a: ~\nb:\nc:   null\n", "a: ~\nb:\nc: null\n"),
        ("a: one\n     two\n\n\n  three\nb: \"x\n y\"\n", "a: one\n  two\n\n\n  three\nb: \"x\n  y\"\n"),
        ("a:\n     one\n", "a:\n  one\n"),
    ] {
        assert_eq!(formatted(written), expected, "{written}");
    }
}

#[test]
fn texts_of_blocks_keep_every_blank_of_their_own() {
    for (written, expected) in [
        ("a: |\n     x  \n       y\n\n\n     z\n\n\nb: 1\n", "a: |\n  x  \n    y\n\n\n  z\n\nb: 1\n"),
        ("a:  |-\n x\n", "a: |-\n  x\n"),
        ("a: |+\n    x\n\n\n\nb: 1\n", "a: |+\n  x\n\n\n\nb: 1\n"),
        ("a: >  # folded\n    x\n    y\n# end\n", "a: >  # folded\n  x\n  y\n# end\n"),
        ("l:\n- |2\n    x\n   y\n", "l:\n  - |2\n      x\n     y\n"),
        ("a: |\n    x\n      \n    y\n", "a: |\n  x\n    \n  y\n"),
        ("a:\n    b: |\n        x # no comment\n    c: 1\n", "a:\n  b: |\n    x # no comment\n  c: 1\n"),
        ("a: |\nb: 1\n", "a: |\nb: 1\n"),
        ("- |+\n \n\n", "- |+\n\n\n"),
    ] {
        assert_eq!(formatted(written), expected, "{written}");
    }
}

#[test]
fn comments_stay_with_what_they_stood_beside() {
    for (written, expected) in [
        ("a:   1      # one\nbcd: 2      # two\n", "a: 1        # one\nbcd: 2      # two\n"),
        ("a: {b: 1} # one\n", "a: { b: 1 } # one\n"),
        (
            "do:\n# first\n- a: 1\n  # of a\n  b: 2\n  # end of a\n\n# end of do\nc: 3\n",
            "do:\n  # first\n  - a: 1\n    # of a\n    b: 2\n    # end of a\n\n# end of do\nc: 3\n",
        ),
        ("do:\n    - a: 1\n    # tail\n# last\n", "do:\n  - a: 1\n  # tail\n# last\n"),
        (
            "a: [ # in\n    1, # one\n # alone\n   2\n      # end\n ]\n",
            "a: [ # in\n  1, # one\n  # alone\n  2\n  # end\n]\n",
        ),
        ("a: |\n      x\n   # not of the text\nb: 1\n", "a: |\n  x\n# not of the text\nb: 1\n"),
        ("a: 'x # y'   \nb: x#y\n", "a: 'x # y'\nb: x#y\n"),
        ("# only a comment   \n\n\n# and one more", "# only a comment\n\n# and one more\n"),
    ] {
        assert_eq!(formatted(written), expected, "{written}");
    }
}

#[test]
fn ends_of_lines_and_marks_stay_as_the_file_has_them() {
    assert_eq!(formatted("a:  1\r\nb: |\r\n    x\r\n"), "a: 1\r\nb: |\r\n  x\r\n");
    assert_eq!(formatted("\u{feff}# c\na:  1\n"), "\u{feff}# c\na: 1\n");
    assert_eq!(formatted(""), "");
    assert_eq!(formatted("---\na:   1\n"), "---\na: 1\n");
}

#[test]
fn what_has_mistakes_or_an_unusual_notation_is_left_alone() {
    for written in [
        "a: {{x}}\n",
        "a: 1\na: 2\n",
        "\ta: 1\n",
        "a: &x 1\n",
        "a: [1\n",
        "a: 1\n---\nb: 2\n",
        "? a\n: 1\n",
        "a: [b: c]\n",
        "a: \u{fffd}\n",
    ] {
        assert!(matches!(format("a.yaml", written), Err(Left::Mistakes(found)) if !found.is_empty()), "{written}");
    }
    for written in ["just words\n", "{ a: 1 }\n...\n"] {
        let found = format("a.yaml", written);
        assert!(matches!(found, Err(Left::Unusual)), "{written}: {found:?}");
    }
}

/// Files put together from pieces that meet in every order, with blanks by chance.
fn files() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("a: 1"),
        Just("b:"),
        Just("- x"),
        Just("-"),
        Just("- c: 2"),
        Just("# c"),
        Just("d: |"),
        Just("e: >-"),
        Just("f: {a: 1,b: [2, 3 ]}"),
        Just("g: ["),
        Just("1,"),
        Just("]"),
        Just("h: 'q  # r'"),
        Just("i: \"s"),
        Just("t\""),
        Just("- |+"),
        Just("words   # say"),
        Just("'k' :  ~"),
        Just("- - y"),
        Just("l: |2"),
        Just("{"),
        Just("}"),
        Just(""),
    ];
    let line = (0usize..7, piece, 0usize..3)
        .prop_map(|(before, piece, after)| format!("{}{piece}{}\n", " ".repeat(before), " ".repeat(after)));
    proptest::collection::vec(line, 0..9).prop_map(|lines| lines.concat())
}

/// Maps and lists that can be read, badly laid out.
fn readable() -> impl Strategy<Value = Vec<String>> {
    let value = prop_oneof![
        Just("1"),
        Just("two words"),
        Just("'x # y'"),
        Just("{a: 1 ,b: [ ] }"),
        Just("[ 1,2 ]   # why"),
        Just("   ~"),
        Just("|\n     deep\n       er  \n\n     end\n"),
        Just(">-\n  fold\n  ed"),
        Just("\"a\n    b\""),
        Just(""),
    ];
    let leaf = value.prop_map(|value| value.lines().map(str::to_owned).collect::<Vec<_>>());
    leaf.prop_recursive(4, 24, 4, |inner| {
        let parts = proptest::collection::vec((inner, 0usize..3, any::<bool>()), 1..4);
        (parts, any::<bool>(), 1usize..5).prop_map(|(parts, map, deep)| {
            let mut lines = Vec::new();
            for (at, (inner, empty, comment)) in parts.into_iter().enumerate() {
                lines.extend(std::iter::repeat_n(String::new(), empty));
                if comment {
                    lines.push("# about it".to_owned());
                }
                let nested = inner.first().is_some_and(|line| line.starts_with(['k', '-', '#']) || line.is_empty());
                let owner = if map { format!("k{at}: ") } else { "- ".to_owned() };
                let mut rest = inner.into_iter();
                let first = if nested { String::new() } else { rest.next().unwrap_or_default() };
                lines.push(format!("{owner}{first}"));
                lines.extend(
                    rest.map(|line| if line.is_empty() { line } else { format!("{}{line}", " ".repeat(deep)) }),
                );
            }
            lines
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_comes_out_the_same_twice_or_is_left_alone(text in files()) {
        if let Ok(once) = format("a.yaml", &text) {
            prop_assert_eq!(format("a.yaml", &once).unwrap(), once);
        }
    }

    #[test]
    fn what_can_be_read_is_formatted(lines in readable()) {
        let text = lines.join("\n");
        let (document, found) = super::Document::read(&text);
        prop_assume!(found.is_empty() && document.root.as_ref().is_some_and(|root| matches!(root.kind, super::super::yaml::Kind::Map(_) | super::super::yaml::Kind::List(_))));
        let once = format("a.yaml", &text);
        prop_assert!(once.is_ok(), "{:?}", once);
        let once = once.unwrap();
        prop_assert_eq!(format("a.yaml", &once).unwrap(), once);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}") {
        let _ = format("a.yaml", &text);
    }
}

#[test]
fn the_keys_of_a_workflow_and_of_its_steps_come_in_the_order_of_the_language() {
    let written = "purpose: utility   # why
name: A

do:
  - wait_for_reply:
      for: 1h
      no_reply:
        - retry: 2
          if: event.a
          send_message:
            text: |
              Hi
              # no comment
    id: ask # it
  # below the last step
  - wait: 1h
when: { webhook: a.b }
";
    let expected = "name: A
purpose: utility   # why

when: { webhook: a.b }
do:
  - id: ask # it
    wait_for_reply:
      for: 1h
      no_reply:
        - if: event.a
          send_message:
            text: |
              Hi
              # no comment
          retry: 2
  # below the last step
  - wait: 1h
";
    assert_eq!(formatted(written), expected);
    for left in [
        "when: { webhook: a.b }\n# about the name\nname: A\ndo:\n  - wait: 1h\n",
        "# only answers\nwhen: { webhook: a.b }\nname: A\ndo:\n  - wait: 1h\n",
        "when: { webhook: a.b }\nunheard: 1\nname: A\ndo:\n  - wait: 1h\n",
        "tests: 1\nname: A\n",
        "when: { webhook: a.b }\ndo:\n  - http_request:\n      json:\n        do:\n          - wait: 1\n            id: x\n",
    ] {
        assert_eq!(formatted(left), left);
    }
}
