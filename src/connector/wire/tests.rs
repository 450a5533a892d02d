use super::*;
use crate::message::Media;

const CHANNEL: &str = "3b1f0c9d7a5e4f2286c4d0e9b7a1c3f5";
const ULID: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV.0123456789abcdef";
const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAW";

fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/callbell/send/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap().trim_end().to_owned()
}

fn body(message: &Message, form: Form) -> String {
    let phone = Phone::from_vendor("33600000001").unwrap();
    send_body(message, &envelope(form, Some(&phone)))
}

fn envelope(form: Form, phone: Option<&Phone>) -> Envelope<'_> {
    Envelope {
        form,
        phone,
        bsuid: Some("FR.abcdef0123456789"),
        channel_uuid: phone.map(|_| CHANNEL),
        relance_id: ULID,
        relance_run: RUN,
        ask_contact: false,
    }
}

fn plain(text: Option<&str>, media: Option<(MediaKind, &str)>) -> Message {
    let media = media.map(|(kind, file)| Media { kind, url: format!("https://files.example.org/{file}") });
    Message { plain: Some(Plain { text: text.map(Into::into), media }), ..Message::default() }
}

fn template(uuid: &str, kind: TemplateKind, values: &[&str], file: Option<&str>) -> Message {
    let template = Template {
        name: "devis".into(),
        uuid: uuid.into(),
        kind,
        category: None,
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        media_url: file.map(|file| format!("https://files.example.org/{file}")),
    };
    Message { template: Some(template), ..Message::default() }
}

#[test]
fn plain_messages_have_the_bodies_of_the_reference() {
    let cases = [
        ("v01_text", plain(Some("Bonjour"), None)),
        ("v03_image", plain(None, Some((MediaKind::Image, "devis-118.png")))),
        ("v04_image_caption", plain(Some("Votre devis"), Some((MediaKind::Image, "devis-118.png")))),
        ("v05_document", plain(None, Some((MediaKind::Document, "devis-118.pdf")))),
        ("v06_audio", plain(None, Some((MediaKind::Audio, "bonjour.mp3")))),
        ("v07_video", plain(None, Some((MediaKind::Video, "visite.mp4")))),
    ];
    for (name, message) in cases {
        assert_eq!(body(&message, Form::Text), fixture(name), "{name}");
    }
}

#[test]
fn templates_have_the_bodies_of_the_reference() {
    use TemplateKind::{Document, Image, Text, Video};
    let three = ["Aïcha", "devis 118", "vendredi"];
    let cases = [
        ("template_no_value", template("10000000000000000000000000000000", Text, &[], None)),
        ("v08_template_one_value", template("1a2b3c4d5e6f47a8b9c0d1e2f3a4b5c6", Text, &["Aïcha"], None)),
        ("v09_template_values", template("9c0d5b7e2f1a4c63a8e4b2d1f0c97a55", Text, &three, None)),
        ("v10_template_image", template("10000000000000000000000000000010", Image, &["Aïcha"], Some("carte.png"))),
        (
            "v11_template_document",
            template("10000000000000000000000000000011", Document, &["Aïcha"], Some("devis-118.pdf")),
        ),
        ("v12_template_video", template("10000000000000000000000000000012", Video, &["Aïcha"], Some("visite.mp4"))),
        ("v15_template_image_values", template("10000000000000000000000000000015", Image, &three, Some("carte.png"))),
    ];
    for (name, message) in cases {
        assert_eq!(body(&message, Form::Template), fixture(name), "{name}");
    }
}

#[test]
fn assignment_team_and_bot_follow_the_content() {
    let message = Message {
        assign_to: Some("lea@example.org".into()),
        team: Some("5d2c6f0a9b8e4c7d8f1e2a3b4c5d6e7f".into()),
        bot: Some(Bot::Stop),
        ..plain(Some("Bonjour"), None)
    };
    assert_eq!(body(&message, Form::Text), fixture("v02_text_assigned"));
}

#[test]
fn metadata_holds_the_workflow_s_pairs_and_ours_which_win() {
    let pairs = [("z", "last"), ("appointment", "118"), ("relance_id", "forged")];
    let metadata = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let message = Message { metadata, bot: Some(Bot::Start), ..plain(Some("Bonjour"), None) };
    let phone = Phone::from_vendor("+33 600 000 001").unwrap();
    let envelope = Envelope { ask_contact: true, ..envelope(Form::Text, Some(&phone)) };
    assert_eq!(send_body(&message, &envelope), fixture("v13_text_metadata"));
}

#[test]
fn a_hidden_number_is_reached_by_its_bsuid_alone() {
    let sent = send_body(&plain(Some("Bonjour"), None), &envelope(Form::Text, None));
    assert_eq!(sent, fixture("v14_text_bsuid"));
}

#[test]
fn the_chosen_form_alone_goes_out() {
    let both = Message { template: template("t", TemplateKind::Text, &["a"], None).template, ..plain(Some("x"), None) };
    assert!(!body(&both, Form::Text).contains("template"));
    assert!(!body(&both, Form::Template).contains(r#""text":"x""#));
}
