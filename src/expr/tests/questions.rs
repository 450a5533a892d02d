//! `language.md` §7: what questions answer.

use super::World;
use crate::expr::{Kind, Question};
use serde_json::json;

#[test]
fn the_null_rules_hold() {
    World::new().table(
        &[
            ("event.nothing == null", "true"),
            ("event.nothing.deeper == null", "true"),
            ("event.coupon == null", "true"),
            ("event.coupon.code == null", "true"),
            ("event.total.deeper == null", "true"),
            ("event.coupon != null", "false"),
            ("null != event.total", "true"),
            ("event.coupon == 1", "false"),
            ("event.coupon != 'x'", "true"),
            ("has(event.total)", "true"),
            ("has(event.coupon)", "false"),
            ("has(event.nothing.deeper)", "false"),
            ("has(event.items[1].name)", "true"),
            ("has(event.items[7].name)", "false"),
            ("event.nothing > 0", "? event.nothing is missing"),
            ("0 < event.coupon", "? event.coupon is missing"),
            ("event.nothing + 1", "? event.nothing is missing"),
            ("-event.nothing", "? event.nothing is missing"),
            ("!event.nothing", "? event.nothing is missing"),
            ("size(event.nothing)", "? event.nothing is missing"),
            ("number(event.nothing) == null", "? event.nothing is missing"),
            ("event.nothing ? 1 : 2", "? event.nothing is missing"),
            ("1 in event.nothing", "? event.nothing is missing"),
            ("event.nothing.all(i, i > 0)", "? event.nothing is missing"),
            ("steps.never.outcome == null", "true"),
        ],
        World::ask,
    );
}

#[test]
fn a_wrong_type_is_undecidable_and_says_so() {
    World::new().table(
        &[
            ("event.text_total > 100", "? event.text_total is text, not a number: write number(event.text_total)"),
            ("event.status > 100", "? event.status is text, not a number"),
            ("event.text_total + 1", "? event.text_total is text, not a number: write number(event.text_total)"),
            ("event.items > 1", "? event.items is a list, not a number"),
            ("event.flag > 1", "? event.flag is yes or no, not a number"),
            ("event.status && true", "? event.status is text, not yes or no"),
            ("event.total.contains('x')", "? event.total is a number, not text"),
            ("event.customer.all(i, i > 0)", "? event.customer is an object, not a list"),
            ("number(event.status)", "? event.status is text, not a number"),
            ("hours_since(event.status) > 1", "? event.status is not a time"),
            ("event.status < now", "? event.status is not a time"),
            ("includes(event.status, 'a')", "? event.status is text, not a list"),
            ("event.total / event.zero", "? division by zero"),
            ("event.qty % 0", "? division by zero"),
        ],
        World::ask,
    );
}

#[test]
fn an_undecidable_side_is_absorbed_when_the_other_decides() {
    World::new().table(
        &[
            ("event.nothing > 0 && event.off", "false"),
            ("event.off && event.nothing > 0", "false"),
            ("event.nothing > 0 || event.flag", "true"),
            ("event.flag || event.nothing > 0", "true"),
            ("event.nothing > 0 && event.flag", "? event.nothing is missing"),
            ("event.nothing > 0 || event.off", "? event.nothing is missing"),
            ("!(event.nothing > 0)", "? event.nothing is missing"),
            ("event.nothing && event.other", "? event.nothing is missing"),
        ],
        World::ask,
    );
}

#[test]
fn numbers_are_one_kind() {
    World::new().table(
        &[
            ("event.qty * 1.5", "4.5"),
            ("size(event.items) + 0.5", "2.5"),
            ("event.qty == 3.0", "true"),
            ("event.total + 1", "130.9"),
            ("7 / 2", "3.5"),
            ("6 / 2 == 3", "true"),
            ("7 % 2", "1"),
            ("7.5 % 2", "1.5"),
            ("event.qty - 5", "-2"),
            ("-event.qty", "-3"),
            ("2 + 3 * 4", "14"),
            ("(2 + 3) * 4", "20"),
            ("3 in [1.0, 3.0]", "true"),
            ("event.order_id == 9007199254740992.0", "false"),
            ("event.order_id == 9007199254740993", "true"),
            ("event.order_id > 9007199254740992.0", "true"),
            ("5u + 1", "6"),
            ("9223372036854775807 + 1", "9223372036854775808"),
            ("number(event.text_total) == 120", "true"),
            ("number('-12.5')", "-12.5"),
            ("number(' 7 ')", "7"),
            ("number('1,5')", "? '1,5' is text, not a number"),
            ("number('1e5')", "? '1e5' is text, not a number"),
            ("number('')", "? '' is text, not a number"),
            ("number('.5')", "? '.5' is text, not a number"),
            ("int(3.9)", "3"),
            ("int('-12')", "-12"),
            ("double('2.5')", "2.5"),
            ("string(event.total)", "\"129.9\""),
            ("string(event.qty) + '!'", "\"3!\""),
            ("event.text_total == 120", "false"),
            ("event.text_total != 120", "true"),
        ],
        World::ask,
    );
}

#[test]
fn standard_functions_and_operators_answer() {
    World::new().table(
        &[
            ("event.status == 'active' ? 'a' : 'b'", "\"a\""),
            ("event.status.startsWith('act') && event.status.endsWith('ive')", "true"),
            ("event.status.contains('ti')", "true"),
            ("event.customer.phone.matches('^\\\\+34')", "true"),
            ("event.customer.phone.matches(r'^\\+33')", "false"),
            ("matches(event.status, event.status)", "true"),
            ("size('sí')", "2"),
            ("event.status.size()", "6"),
            ("size(event.customer)", "2"),
            ("'Ana' in event.names", "true"),
            ("'phone' in event.customer", "true"),
            ("event.customer == event.customer", "true"),
            ("event.numbers == [1, 2.0, 3]", "true"),
            ("event.items[1].name", "\"Socks\""),
            ("event.items[event.qty - 3].name", "\"Boots\""),
            ("event.items[9] == null", "true"),
            ("event['status']", "\"active\""),
            ("'b' > 'a'", "true"),
            ("contact.custom.birthday", "\"1990-03-02\""),
            ("vars.discount + workflow.version", "13"),
            ("steps.ask.choice == 2", "true"),
            ("now", "\"2026-03-02T09:00:00Z\""),
            ("event.status // the end", "\"active\""),
        ],
        World::ask,
    );
}

#[test]
fn list_functions_walk_lists_and_keep_doubts() {
    World::new().table(
        &[
            ("event.items.all(i, i.qty > 0)", "true"),
            ("event.items.exists(i, i.name == 'Socks' && i.qty > 3)", "true"),
            ("event.items.exists_one(i, i.qty > 3)", "true"),
            ("event.numbers.exists_one(n, n > 1)", "false"),
            ("event.numbers.filter(n, n > 1)", "[2,3]"),
            ("event.numbers.map(n, n * event.qty)", "[3,6,9]"),
            ("event.items.filter(i, i.qty > 1).map(i, i.name)", "[\"Socks\"]"),
            ("event.items.filter(i, i.qty > 1)[0].price", "5.5"),
            ("size(event.items.filter(i, i.price < 10)) == 1", "true"),
            ("event.empty.all(i, i > 0)", "true"),
            ("event.empty.exists(i, i > 0)", "false"),
            ("event.items.all(i, i.weight > 0)", "? i.weight is missing"),
            ("event.items.all(i, i.weight > 0 && i.qty > 1)", "false"),
            ("event.items.exists(i, i.weight > 0 || i.qty > 3)", "true"),
            ("event.items.filter(i, i.weight > 0)", "? i.weight is missing"),
            ("event.long.all(i, i == 1)", "? event.long has more than 1,000 items"),
            ("['a', 'b'].exists(t, contact.has_tag(t))", "false"),
        ],
        World::ask,
    );
}

#[test]
fn added_functions_answer_as_functions_and_methods() {
    World::new().table(
        &[
            ("contact.has_tag('vip')", "true"),
            ("has_tag(contact, 'Opted_In')", "true"),
            ("contact.has_tag('other')", "false"),
            ("includes(event.names, 'Léa')", "true"),
            ("event.numbers.includes(2.0)", "true"),
            ("event.names.includes('Bo')", "false"),
            ("is_like(event.text, 'sí, gracias')", "true"),
            ("event.text.is_like('SI, GRACIAS')", "true"),
            ("is_like('Sí 👍🏽', 'si')", "true"),
            ("is_like('¿Qué?', 'que')", "true"),
            ("is_like('👍', '❤️')", "false"),
            ("is_like('👍', ' 👍 ')", "true"),
            ("is_like('👨‍👩‍👧 ok', 'OK!')", "true"),
            ("is_like('no', 'non')", "false"),
            ("is_like(' sí  claro ', 'si claro')", "true"),
            ("is_like('Sí, gracias', 'si gracias')", "true"),
            ("is_like('Straße’s œuvre', 'STRASSE\\'s oeuvre')", "true"),
        ],
        World::ask,
    );
    let unknown_tags = World { contact: json!({ "tags": null }), ..World::new() };
    assert_eq!(unknown_tags.ask("contact.has_tag('vip')"), "? contact.tags is missing");
}

#[test]
fn keys_that_are_no_plain_names_are_reached_by_their_plain_form() {
    World::new().table(
        &[
            ("event.Fin_de_contrat", "\"2026-12-31\""),
            ("event.prenom", "\"Zoé\""),
            ("event.first_name", "\"Bo\""),
            ("event['Fin de contrat']", "\"2026-12-31\""),
            ("contact.custom.Fecha_de_alta", "\"2025-01-01\""),
            ("event.customer.first_name", "\"Ana\""),
        ],
        World::ask,
    );
    let both = World::new().event(json!({ "a b": 1, "a_b": 2 }));
    assert_eq!(both.ask("event.a_b"), "2", "the exact key wins");
}

#[test]
fn a_question_tells_its_paths_comparisons_and_kind() {
    let question = Question::parse("event.total > 0 && has(event.customer) && event.items.all(i, i.qty < 9)").unwrap();
    let paths: Vec<String> = question
        .paths()
        .iter()
        .map(|used| format!("{}.{}{}", used.root, used.fields.join("."), if used.optional { "?" } else { "" }))
        .collect();
    assert_eq!(paths, ["event.total", "event.customer?", "event.items", "event.items.0.qty"]);
    let first = &question.paths()[0];
    assert_eq!(&question.source()[first.offset..first.offset + first.len], "event.total");

    let guarded = Question::parse("event.customer == null || event.customer.age > 17").unwrap();
    assert!(guarded.paths().iter().all(|used| used.optional));

    let compared = Question::parse("event.a == '12' && 3 < event.b && event.c in ['x', 'y']").unwrap();
    let compared: Vec<String> =
        compared.comparisons().iter().map(|c| format!("{} {} {}", c.path.fields[0], c.operator, c.literal)).collect();
    assert_eq!(compared, ["a == \"12\"", "b > 3", "c in \"x\"", "c in \"y\""]);

    let kinds = ["event.a > 1", "event.a", "event.a + 1", "time(event.a)", "'a' + event.b", "event.l.map(i, i)", "now"];
    let kinds = kinds.map(|source| Question::parse(source).unwrap().result_kind());
    assert_eq!(kinds, [Kind::Bool, Kind::Unknown, Kind::Number, Kind::Time, Kind::Text, Kind::List, Kind::Time]);
    assert_eq!(Question::parse("true").unwrap().constant(), Some(true));
}

#[test]
fn results_are_bounded() {
    let world = World::new().event(json!({ "big": "x".repeat(200_000), "list": vec![1; 1000] }));
    assert_eq!(world.ask("event.big + event.big"), "? the text is longer than 256 KiB");
    assert_eq!(world.ask("event.list.map(i, event.big + 'x')"), "? the text is longer than 256 KiB");
    let huge = "9".repeat(18);
    let product = [huge.as_str(); 6].join(" * ");
    assert!(world.ask(&format!("{product} * {product}")).contains("too large"), "whole numbers end somewhere");
}
