//! Where time and ids come from: the only module that asks a clock or a random source.
//!
//! Without it, a wait of two hours would take two hours to test. Everything else receives `now_ms` as a value.
//! Three kinds: the machine's time (`serve`), the machine's time moved by hand (`dev`), and a time that stands
//! still until a test moves it. All three hand out ids, so that a test gets the same ids each time.
//!
//! Invariant: `now_ms` never goes back within one clock unless the machine's own clock does, or a still one begins again.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A shared source of instants (Unix time in milliseconds) and of new ids. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    /// Milliseconds added to the machine's time, or the instant itself when it stands still.
    value_ms: AtomicI64,
    /// When it was made, by a clock of the machine that nobody sets.
    began: Instant,
    /// Ids drawn so far; also the random part of ids when time stands still.
    drawn: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The machine's time plus an offset.
    Machine,
    /// As `Machine`, and may be moved by hand.
    Movable,
    /// Stands still until moved.
    Still,
}

impl Clock {
    /// The machine's time, shifted by `offset_ms` (0 in production; `RELANCE_CLOCK_OFFSET` in process tests).
    pub fn machine(offset_ms: i64) -> Self {
        Self::new(Kind::Machine, offset_ms)
    }

    /// Time that flows like the machine's and can be moved forward by hand; `start_ms` = what it shows now.
    pub fn movable(start_ms: Option<i64>) -> Self {
        Self::new(Kind::Movable, start_ms.map_or(0, |start| start - machine_ms()))
    }

    /// Time that stands at `at_ms` until [`Clock::move_to`] is called; ids count up from one.
    pub fn still(at_ms: i64) -> Self {
        Self::new(Kind::Still, at_ms)
    }

    /// Begins again at any instant, also an earlier one, with the same ids: for another story, when nobody is left of the
    /// one before. Only a still clock does.
    pub fn begin_at(&self, at_ms: i64) {
        if self.0.kind == Kind::Still {
            self.0.value_ms.store(at_ms, Ordering::SeqCst);
            self.0.drawn.store(0, Ordering::SeqCst);
        }
    }

    fn new(kind: Kind, value_ms: i64) -> Self {
        Self(Arc::new(Inner {
            kind,
            value_ms: AtomicI64::new(value_ms),
            began: Instant::now(),
            drawn: AtomicU64::new(0),
        }))
    }

    /// The present instant, Unix time in milliseconds.
    pub fn now_ms(&self) -> i64 {
        let value = self.0.value_ms.load(Ordering::SeqCst);
        match self.0.kind {
            Kind::Still => value,
            Kind::Machine | Kind::Movable => machine_ms() + value,
        }
    }

    /// Milliseconds that only ever run forward, from an origin of its own: how long something has been, whatever is done
    /// to the machine's clock. Virtual time passes here too.
    pub fn monotonic_ms(&self) -> i64 {
        let value = self.0.value_ms.load(Ordering::SeqCst);
        let real_ms = i64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        match self.0.kind {
            Kind::Still => value,
            Kind::Movable => real_ms.saturating_add(value),
            Kind::Machine => real_ms,
        }
    }

    /// What is added to the machine's time, milliseconds; 0 for a clock that stands still.
    pub fn offset_ms(&self) -> i64 {
        match self.0.kind {
            Kind::Still => 0,
            Kind::Machine | Kind::Movable => self.0.value_ms.load(Ordering::SeqCst),
        }
    }

    /// Whether [`Clock::move_to`] may be called: `dev` and tests.
    pub fn is_virtual(&self) -> bool {
        self.0.kind != Kind::Machine
    }

    /// Moves a virtual clock forward to `at_ms`; an instant already passed, or a machine clock, changes nothing.
    pub fn move_to(&self, at_ms: i64) {
        let ahead = at_ms - self.now_ms();
        if self.is_virtual() && ahead > 0 {
            self.0.value_ms.fetch_add(ahead, Ordering::SeqCst);
        }
    }

    /// How long the machine has to sleep until `at_ms` is reached, at most `most`.
    pub fn until(&self, at_ms: i64, most: Duration) -> Duration {
        let left = at_ms.saturating_sub(self.now_ms()).max(0);
        Duration::from_millis(left.unsigned_abs()).min(most)
    }

    /// A new id: a ULID of the present instant, sortable by time. On a still clock the same ids each time.
    pub fn new_id(&self) -> String {
        let at_ms = self.now_ms().max(0).unsigned_abs();
        let drawn = u128::from(self.0.drawn.fetch_add(1, Ordering::SeqCst));
        match self.0.kind {
            Kind::Still => ulid::Ulid::from_parts(at_ms, drawn + 1),
            Kind::Machine | Kind::Movable => monotonic(at_ms, drawn),
        }
        .to_string()
    }

    /// A number that nobody can foresee (the same each time on a still clock): seeds of runs and deliveries.
    pub fn new_seed(&self) -> i64 {
        let drawn = self.0.drawn.fetch_add(1, Ordering::SeqCst);
        match self.0.kind {
            Kind::Still => i64::try_from(drawn).unwrap_or(i64::MAX),
            Kind::Machine | Kind::Movable => rand::random::<i64>() & i64::MAX,
        }
    }
}

/// Ids of one process sort in the order in which they were drawn within a millisecond: 24 bits count, 56 are random.
fn monotonic(at_ms: u64, drawn: u128) -> ulid::Ulid {
    let random = u128::from(rand::random::<u64>()) & ((1 << 56) - 1);
    ulid::Ulid::from_parts(at_ms, ((drawn & 0xff_ffff) << 56) | random)
}

/// 32 bytes nobody can foresee: installation key, admin token. From a generator fit for keys.
pub fn new_secret() -> [u8; 32] {
    rand::random()
}

/// The name of the machine's own zone, when it has one: a guess for whoever begins a project here.
pub fn machine_zone() -> Option<String> {
    jiff::tz::TimeZone::system().iana_name().map(str::to_owned)
}

fn machine_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
