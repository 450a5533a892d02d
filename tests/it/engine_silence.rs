//! A database server that is gone without a word: connections look alive, and nothing ever answers.

use crate::database::Database;
use crate::harness::{ANA, World};
use serde_json::json;
use std::time::Instant;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Stands between relance and its server. Connections of an earlier generation carry nothing any more, in neither
/// direction, and are not closed.
async fn proxy(server: String) -> (u16, watch::Sender<u64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (generations, seen) = watch::channel(0);
    tokio::spawn(async move {
        loop {
            let (mut from, _) = listener.accept().await.unwrap();
            let (server, mut seen) = (server.clone(), seen.clone());
            tokio::spawn(async move {
                let mut to = TcpStream::connect(server).await.unwrap();
                let own = *seen.borrow_and_update();
                let silenced = async {
                    let _ = seen.wait_for(|generation| *generation != own).await.map(drop);
                };
                let over = tokio::select! {
                    _ = copy_bidirectional(&mut from, &mut to) => true,
                    () = silenced => false,
                };
                if !over {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    (port, generations)
}

/// Takes a quarter of a minute of real time: how long a call may take cannot be set.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql_connections_that_fall_silent_are_given_up_and_nothing_is_lost_or_doubled() {
    let mut database = Database::postgres();
    let (head, rest) = database.url.split_once('@').unwrap();
    let (server, name) = rest.split_once('/').unwrap();
    let (port, generations) = proxy(server.to_owned()).await;
    database.url = format!("{head}@127.0.0.1:{port}/{name}");
    let world = World::on(database)
        .template("order", "Your {{1}}", &["order"])
        .workflow(
            "order",
            "
            name: Order
            purpose: utility
            when: { webhook: order.paid }
            contact: { phone: '{{event.phone}}' }
            do:
              - send_message: { template: order, values: ['{{event.order}}'] }
            ",
        )
        .start()
        .await;
    world.event("order.paid", json!({"phone": ANA, "order": 1})).await;
    generations.send_modify(|generation| *generation += 1);
    let begun = Instant::now();
    let accepted = world.post(world.new_event("order.paid", json!({"phone": ANA, "order": 2}))).await;
    assert!(!accepted.duplicate);
    let took = begun.elapsed().as_secs();
    assert!((10..40).contains(&took), "{took} s");
    world.settle().await;
    assert_eq!(world.sent(), ["template: Your 1", "template: Your 2"]);
    assert_eq!(world.runs().await.len(), 2);
}
