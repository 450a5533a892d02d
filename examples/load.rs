use relance::clock::Clock;
use relance::config::{Files, Secret};
use relance::connector::Callbell;
use relance::engine::{Engine, Setup};
use relance::event::{Dedupe, NewEvent};
use relance::store::Store;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
#[tokio::main]
async fn main() {
    let dir = std::env::temp_dir().join(format!("ld{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let store = Store::open(&format!("sqlite:{}?mode=rwc", dir.join("x.db").display())).await.unwrap();
    let mut files = Files::new();
    for f in ["relance.yaml", "workflows/order_created.yaml", "workflows/samples/order.created.json"] {
        files.insert(f.into(), std::fs::read_to_string(format!("benches/project/{f}")).unwrap());
    }
    let loaded = relance::workflow::load(&files);
    for d in &loaded.diagnostics { eprintln!("{d:?}"); }
    let project = loaded.project.unwrap();
    let callbell = Callbell::new(&std::env::var("SINK").unwrap(), Some(Secret::new("t"))).unwrap();
    let engine = Engine::start(Setup { clock: Clock::machine(0), store, callbell: Some(callbell), root: dir.clone() }, &project).await.unwrap();
    let n = Arc::new(AtomicU64::new(0));
    let t = std::time::Instant::now();
    let secs: u64 = std::env::var("SECS").ok().and_then(|s| s.parse().ok()).unwrap_or(5);
    let hs: Vec<_> = (0..64).map(|_| { let (n, engine) = (n.clone(), engine.clone()); tokio::spawn(async move {
        while t.elapsed().as_secs() < secs {
            let i = n.fetch_add(1, Ordering::Relaxed);
            let body = format!(r#"{{"event":"order.created","phone":"+33612{:06}","name":"Léa Martin","amount":{},"order":{{"id":"C-{i}"}}}}"#, i % 1_000_000, if i % 2 == 0 { "99.9" } else { "9.9" });
            let data: serde_json::Value = serde_json::from_str(&body).unwrap();
            let key = format!("{i}");
            engine.accept(NewEvent { source: "shop".into(), name: "order.created".into(), data, at_ms: 0, dedupe: Dedupe { key, keep_ms: 600_000, body_hash: String::new() } }).await.unwrap();
        }
    })}).collect();
    for h in hs { h.await.unwrap(); }
    let q = engine.quiet().await;
    let s = t.elapsed().as_secs_f64();
    println!("{} events in {s:.2}s = {:.0}/s  quiet {q:?} {:?}", n.load(Ordering::Relaxed), n.load(Ordering::Relaxed) as f64 / s, engine.load());
    std::fs::remove_dir_all(dir).unwrap();
}
