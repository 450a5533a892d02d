use super::{Document, Kind, Node};

fn read(source: &str) -> (Document, Vec<String>) {
    let (document, found) = Document::read(source);
    let told = found
        .iter()
        .map(|found| {
            let (line, column) = document.place(found.span.start);
            format!("{} {line}:{column} {} | {}", found.code, found.message, found.hint)
        })
        .collect();
    (document, told)
}

fn codes(source: &str) -> Vec<String> {
    let (_, told) = read(source);
    told.into_iter().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect()
}

fn value<'a>(document: &'a Document, key: &str) -> &'a Node {
    let Some(Node { kind: Kind::Map(entries), .. }) = &document.root else { panic!("no map") };
    &entries.iter().find(|entry| entry.key == key).unwrap().value
}

fn text(node: &Node) -> &str {
    let Kind::Scalar { text, .. } = &node.kind else { panic!("no text: {node:?}") };
    text
}

#[test]
fn good_yaml_is_read_without_a_word_and_as_written() {
    let source = "# head\na: 007\nb: yes\nc: \"x: {{y}} #z\"\nd: { e: [1, \"{{z}}\", it's], f: 'q' } # note\ng: |\n  Hello: #1 {{x}}\n\t  not indentation\n  *bold*\nh:\n- i: 12:30\n  j: https://x.example/a#b\n- k\nl: two\n  lines\nm: >-\n  folded\n  text\n";
    let source = source.replace("\t  not", "    not");
    let (document, told) = read(&source);
    assert_eq!(told, Vec::<String>::new());
    assert_eq!(text(value(&document, "a")), "007");
    assert_eq!(text(value(&document, "b")), "yes");
    assert_eq!(text(value(&document, "l")), "two lines");
    assert_eq!(text(value(&document, "m")), "folded text");
}

#[test]
fn every_mistake_of_a_file_is_found_in_one_pass() {
    let source = "name: `x`\ncontact: { phone: {{event.phone}}, name: a: b }\ndo:\n\t- send_message:\n\t    text: Order #{{n}} is paid\n  - stop: Note: this\n  - stop: *bold* word\n  - stop: 'it's'\n";
    assert_eq!(
        codes(source),
        ["R104 1:7", "R101 2:19", "R104 2:43", "R105 4:1", "R102 5:18", "R104 6:15", "R104 7:11", "R104 8:14"]
    );
}

#[test]
fn a_value_in_braces_needs_quotes_for_its_own_brackets() {
    for (source, told) in [
        ("a: { if: is_between(now, \"09:00\", \"20:00\"), b: 1 }\n", vec!["R104 1:24"]),
        ("a: { if: event.items[0].x > 1 }\n", vec!["R104 1:21"]),
        ("a: { text: Hi {{x}}, you, b: 1 }\n", vec!["R101 1:15"]),
        ("a: [x, !y, 'z' z, \"it's\"]\n", vec!["R103 1:8", "R104 1:14"]),
        ("a: { if: has(event.x) && size(event.y) > 1 }\n", vec![]),
        ("a: [\n  { b: c },\n  d # e\n]\nf: g\n", vec![]),
        ("a: {b: c\nd: e\n", vec!["R104 1:4"]),
        ("a: [b, {c: d # e\nf: g\n", vec!["R104 1:4"]),
        ("a: \"one\n  note: two\n  # three\"\nb: 'x\n\n  y'\n", vec![]),
        ("a: \"b\r\n  c\"\r\nd: |\r\n  {{x}} #y: z\r\ne: f # g\r\n", vec![]),
    ] {
        assert_eq!(codes(source), told, "{source}");
    }
}

#[test]
fn places_in_a_scalar_are_places_in_the_file() {
    let source =
        "a: \"é \\\"{{x}}\\\" \\u00e9{{y}}\"\nb: |\n\n    one 🎉\n      {{y}}\nc: 'it''s {{z}}'\nd: one\n  two {{v}}\n";
    let (document, told) = read(source);
    assert_eq!(told, Vec::<String>::new());
    for (key, part, place) in [
        ("a", "{{x}}", (1, 9)),
        ("a", "{{y}}", (1, 23)),
        ("b", "{{y}}", (5, 7)),
        ("b", "🎉", (4, 9)),
        ("c", "{{z}}", (6, 11)),
        ("d", "{{v}}", (8, 7)),
    ] {
        let node = value(&document, key);
        let offset = text(node).find(part).unwrap();
        let span = document.part_of(node, offset, part.len());
        assert_eq!(document.place(span.start), place, "{key} {part}");
        assert_eq!(document.written(&span), part);
    }
}

#[test]
fn an_empty_text_has_its_own_place_and_a_part_ends_behind_its_escape() {
    let source = "a: 1\nb: \"\"\nc: \"x == \\\"12\\\"\"\nd: 'it''s'' y'\ne: \"\\u00e9\"\n";
    let (document, told) = read(source);
    assert_eq!(told, Vec::<String>::new());
    let part = |key: &str, offset: usize, len: usize| document.part_of(value(&document, key), offset, len);
    assert_eq!(document.place(part("b", 0, 1).start), (2, 4));
    assert_eq!(document.written(&part("c", 5, 4)), "\\\"12\\\"");
    assert_eq!(document.written(&part("d", 3, 2)), "s''");
    assert_eq!(document.written(&part("e", 0, 2)), "\\u00e9");
}

#[test]
fn mended_text_keeps_its_places() {
    let source = "a: {{x}} says \"hi\" {{y}}\nb: ok\n";
    let (document, told) = read(source);
    assert_eq!(told.len(), 1, "{told:?}");
    let node = value(&document, "a");
    assert_eq!(text(node), "{{x}} says \"hi\" {{y}}");
    let span = document.part_of(node, 16, 5);
    assert_eq!(document.place(span.start), (1, 20));
    assert_eq!(document.place(value(&document, "b").span.start), (2, 4));
}

#[test]
fn bounds_hold() {
    let deep = format!("a: {}{}\n", "[".repeat(40), "]".repeat(40));
    assert_eq!(codes(&deep), ["R104 1:35"]);
    let wide = format!("a: [{}]\n", "1,".repeat(20_001));
    assert_eq!(codes(&wide).len(), 1);
    assert_eq!(codes(&"x".repeat(300 * 1024)), ["R104 1:1"]);
}

#[test]
fn no_text_makes_it_panic() {
    let pieces = [
        "a: ", "{{x}}", "\n", "  ", "- ", "\"", "'", "|", ">", "{", "}", "[", "]", ",", "#", "\t", "é", "\u{a0}", "*b",
        "&c", "!", "\\", ": ", "🎉", "\r\n", "%", "\u{feff}", "\u{85}", "\u{2028}", "{ ", "a: [", "(",
    ];
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let mut source = String::new();
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            source.push_str(pieces[(state >> 33) as usize % pieces.len()]);
        }
        let (document, found) = Document::read(&source);
        for found in &found {
            let _ = (document.place(found.span.start), document.width(&found.span));
        }
        if let Some(root) = &document.root {
            walk(&document, root);
        }
    }
}

fn walk(document: &Document, node: &Node) {
    let _ = document.place(node.span.start);
    match &node.kind {
        Kind::Scalar { text, .. } => {
            let span = document.part_of(node, text.len() / 2, 1);
            let _ = (document.width(&span), document.header_line(node));
        }
        Kind::List(items) => items.iter().for_each(|item| walk(document, item)),
        Kind::Map(entries) => entries.iter().for_each(|entry| walk(document, &entry.value)),
        Kind::Null => {}
    }
}
