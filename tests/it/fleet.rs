//! Several real servers of one installation behind a balancer, and the vendor they share: what can be killed, stopped and
//! replaced one by one while the rest goes on.
//!
//! On SQLite a fleet has one server. [`Fleet::settle`] ends all of them and moves the clock of one more by a minute, to
//! which the killed ones have been silent for long enough: no test waits for a lease to run out.

use crate::database::Database;
use crate::process::{Process, Site, eventually};
use rand::Rng as _;
use rand::rngs::StdRng;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// How far the clock of the last server is ahead: beyond the 30 s after which a silent one counts as dead.
const MINUTE_S: i64 = 60;

pub(crate) struct Fleet {
    nodes: Vec<Node>,
    balancer: Balancer,
    /// What the clocks of all of them are ahead.
    offset_s: i64,
    _sandbox: Process,
    _database: Database,
}

struct Node {
    site: Site,
    /// None while it is dead.
    serve: Option<Process>,
}

/// As anybody has one: a connection goes to the next server that answers and is not known to be down.
struct Balancer {
    port: u16,
    down: Arc<Mutex<BTreeSet<u16>>>,
}

impl Fleet {
    /// So many installations of the shop on one database and one account; none of them serves yet. `prepare` writes what
    /// is different from the project.
    pub(crate) async fn of(database: Database, servers: usize, prepare: impl Fn(&Site)) -> Self {
        let mut sites: Vec<Site> = (0..servers).map(|_| Site::of("shop")).collect();
        let account = sites[0].env["CALLBELL_BASE_URL"].clone();
        for site in &mut sites {
            site.set("RELANCE_DATABASE_URL", &database.url);
            site.set("CALLBELL_BASE_URL", &account);
            prepare(site);
        }
        let balancer = Balancer::before(sites.iter().map(|site| site.port).collect()).await;
        let sandbox = sites[0].sandbox_telling(balancer.port).await;
        let nodes = sites.into_iter().map(|site| Node { site, serve: None }).collect();
        Self { nodes, balancer, offset_s: 0, _sandbox: sandbox, _database: database }
    }

    pub(crate) fn servers(&self) -> usize {
        self.nodes.len()
    }

    /// Where events go.
    pub(crate) fn port(&self) -> u16 {
        self.balancer.port
    }

    pub(crate) fn site(&self, node: usize) -> &Site {
        &self.nodes[node].site
    }

    pub(crate) fn vendor_port(&self) -> u16 {
        self.nodes[0].site.sandbox_port
    }

    /// What every clock is ahead (negative: behind), for those that begin from now on.
    pub(crate) fn set_ahead(&mut self, seconds: i64) {
        self.offset_s = seconds;
        for node in &mut self.nodes {
            node.site.set("RELANCE_CLOCK_OFFSET", format!("{seconds:+}s"));
        }
    }

    /// Starts those that are dead; all are ready when this returns.
    pub(crate) async fn serve(&mut self) {
        (0..self.servers()).for_each(|node| self.begin(node));
        for node in 0..self.servers() {
            self.ready(node).await;
        }
    }

    /// Starts one unless it runs.
    pub(crate) fn begin(&mut self, node: usize) {
        let Node { site, serve } = &mut self.nodes[node];
        serve.get_or_insert_with(|| site.started(&["--no-goodbye"]));
    }

    pub(crate) async fn ready(&mut self, node: usize) {
        let Node { site, serve } = &mut self.nodes[node];
        site.ready(serve.as_mut().expect("it was begun")).await;
    }

    pub(crate) fn kill(&mut self, node: usize) {
        if let Some(serve) = self.nodes[node].serve.take() {
            serve.kill();
        }
    }

    /// The server stands still; connections that are open hang, new ones go elsewhere.
    pub(crate) fn stop(&self, node: usize) {
        self.balancer.down.lock().unwrap().insert(self.site(node).port);
        self.signal(node, "STOP");
    }

    pub(crate) fn go_on(&self, node: usize) {
        self.signal(node, "CONT");
        self.balancer.down.lock().unwrap().remove(&self.site(node).port);
    }

    fn signal(&self, node: usize, name: &str) {
        self.nodes[node].serve.as_ref().expect("it runs").signal(name);
    }

    /// Kills one of them at random and starts it again. One in four may be killed again before it is ready.
    pub(crate) async fn replace_one(&mut self, moments: &mut StdRng) {
        let node = moments.random_range(0..self.servers());
        self.kill(node);
        tokio::time::sleep(Duration::from_millis(moments.random_range(0..300))).await;
        self.begin(node);
        if moments.random_bool(0.75) {
            self.ready(node).await;
        }
    }

    /// Ends every server as a deploy does.
    pub(crate) async fn end(&mut self) {
        let mut ending = Vec::new();
        for node in 0..self.servers() {
            if let Some(serve) = self.nodes[node].serve.take() {
                serve.signal("TERM");
                ending.push(serve);
            }
        }
        for mut serve in ending {
            assert_eq!(serve.ended().await, 0, "{}", serve.log());
        }
    }

    /// Ends every server, and lets one do all that is left, the work of the dead included: it, and what it is still held
    /// for, by `held`.
    pub(crate) async fn settle(&mut self, held: &str) -> &Site {
        self.serve().await;
        self.end().await;
        self.set_ahead(self.offset_s + MINUTE_S);
        self.begin(0);
        self.ready(0).await;
        let site = self.site(0);
        eventually("everything is sent", async || {
            let left = site.deliveries("state=queued,held,sending&limit=1000").await;
            left.iter().all(|one| one["state"] == "held" && one["reason"] == held).then_some(())
        })
        .await;
        site
    }

    /// How often a line stands in the logs of all but one.
    pub(crate) fn logged_by_others(&self, node: usize, words: &str) -> usize {
        let others = self.nodes.iter().enumerate().filter(|(at, _)| *at != node);
        others.map(|(_, node)| node.site.serve_log().matches(words).count()).sum()
    }
}

impl Balancer {
    async fn before(ports: Vec<u16>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (port, down) = (listener.local_addr().unwrap().port(), Arc::<Mutex<BTreeSet<u16>>>::default());
        let known = down.clone();
        tokio::spawn(async move {
            let mut turn = 0;
            while let Ok((from, _)) = listener.accept().await {
                turn += 1;
                let order: Vec<u16> = (0..ports.len()).map(|n| ports[(turn + n) % ports.len()]).collect();
                tokio::spawn(pass(from, order, known.clone()));
            }
        });
        Self { port, down }
    }
}

/// Without a server the connection is closed.
async fn pass(mut from: TcpStream, ports: Vec<u16>, down: Arc<Mutex<BTreeSet<u16>>>) {
    for port in ports {
        let is_down = down.lock().unwrap().contains(&port);
        if !is_down && let Ok(mut to) = TcpStream::connect(("127.0.0.1", port)).await {
            let _ = copy_bidirectional(&mut from, &mut to).await;
            return;
        }
    }
}

/// Lets some of the range of milliseconds pass: nothing is waited for, the next act only shall fall anywhere.
pub(crate) async fn some_time(moments: &mut StdRng, ms: std::ops::Range<u64>) {
    tokio::time::sleep(Duration::from_millis(moments.random_range(ms))).await;
}
