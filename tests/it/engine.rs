//! temp smoke
use relance::clock::Clock;
use relance::config::{Files, Secret};
use relance::connector::Callbell;
use relance::connector::sandbox::{Sandbox, SandboxConfig};
use relance::engine::{Engine, Setup};
use relance::event::{Dedupe, NewEvent};
use relance::store::Store;
use serde_json::json;

const NOON: i64 = 1_772_449_200_000;

fn files(workflow: &str) -> Files {
    let mut files = Files::new();
    files.insert(
        "relance.yaml".into(),
        "version: 1\nname: Shop\nsettings: { timezone: Europe/Paris }\nphone_region: FR\nconsent: everyone\n".into(),
    );
    files.insert(
        "templates.yaml".into(),
        "paid: { uuid: 9c0d5b7e2f1a4c63a8e4b2d1f0c97a55, values: [name, total] }\n".into(),
    );
    files.insert("templates.lock.json".into(), r#"[{"uuid":"9c0d5b7e2f1a4c63a8e4b2d1f0c97a55","title":"Paid","text":"Hello {{1}}, paid {{2}} today.","type":"text","category":"utility","status":"approved","placeholders":2}]"#.into());
    files.insert("workflows/paid.yaml".into(), workflow.into());
    files
}

fn event(n: u32) -> NewEvent {
    NewEvent {
        source: "api".into(),
        name: "order.paid".into(),
        data: json!({"phone": format!("+3361234{n:04}"), "name": "Ana", "total": 12 + n}),
        at_ms: NOON,
        dedupe: Dedupe { key: format!("k{n}"), keep_ms: Dedupe::ID_MS, body_hash: String::new() },
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn smoke() {
    let _ = tracing_subscriber::fmt().with_env_filter("debug,sqlx=warn,hyper=warn").try_init();
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite:{}?mode=rwc", dir.path().join("x.db").display())).await.unwrap();
    let clock = Clock::still(NOON);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let loaded = relance::workflow::load(&files(
        "name: Paid\npurpose: utility\nwhen: { webhook: order.paid }\ncontact: { phone: \"{{event.phone}}\", first_name: \"{{event.name}}\" }\nif: event.total > 13\ndo:\n  - send_message:\n      text: Hello {{contact.first_name}}, {{event.total}}\n      template: paid\n      values: { name: \"{{contact.first_name}}\", total: \"{{event.total}}\" }\n  - wait: 2h\n  - send_message: { template: paid, values: [again, \"{{event.total}}\"] }\n",
    ));
    for d in &loaded.diagnostics {
        eprintln!("{d:?}");
    }
    let project = loaded.project.unwrap();
    let sandbox = Sandbox::new(SandboxConfig {
        templates: project.catalogue.lock.values().cloned().collect(),
        ..SandboxConfig::new(clock.clone())
    })
    .unwrap();
    tokio::spawn(axum::serve(listener, sandbox.router()).into_future());
    let callbell = Callbell::new(&format!("http://{address}/v1"), Some(Secret::new("t"))).unwrap();
    let engine = Engine::start(
        Setup { clock: clock.clone(), store, callbell: Some(callbell), root: dir.path().into() },
        &project,
    )
    .await
    .unwrap();
    for n in 0..4 {
        eprintln!("{:?}", engine.accept(event(n)).await.unwrap());
    }
    eprintln!("{:?}", engine.accept(event(3)).await.unwrap());
    eprintln!("quiet {:?}", engine.quiet().await);
    for m in sandbox.messages() {
        eprintln!("{m:?}");
    }
    clock.move_to(NOON + 2 * 3_600_000);
    engine.look().await;
    eprintln!("quiet {:?}", engine.quiet().await);
    for r in
        engine.store().list_runs(&relance::store::runs::RunFilter { limit: 10, ..Default::default() }).await.unwrap()
    {
        eprintln!("{r:?}");
    }
    assert_eq!(sandbox.messages().len(), 4);
    eprintln!("{:?}", engine.load());
}
