//! Room: what bodies that are being read may hold together. A thousand senders of a MiB each wait for no commit yet, and
//! would fill the memory before any of them is known.
//!
//! Whoever showed a token may have all of it, whoever proves itself by the body only has a share, and of that every
//! address half; nobody else has any. Invariant: whatever strangers send, the largest body of somebody known has room.

use super::auth::network;
use super::error::Refusal;
use super::front::Caller;
use super::{Inner, hooks};
use crate::trigger::webhook;
use axum::http::request::Parts;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Larger bodies need room. Smaller ones are bounded by the number of connections.
pub(super) const SMALL_BODY: usize = 64 * 1024;

const ALL: usize = 4 * webhook::MOST_BODY_BYTES;
/// Of those that are not known before the body is there.
const SHARE: usize = ALL - webhook::MOST_BODY_BYTES;
const OF_ONE_ADDRESS: usize = SHARE / 2;

/// What is known of a sender before the body is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// Showed a token or a secret.
    Known,
    /// Signs the body.
    Unproven,
    /// Neither: only a small body is read.
    Nobody,
}

/// Bytes that are given away.
#[derive(Debug, Default)]
pub(super) struct Room(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    all: usize,
    unproven: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One body's room, given back when dropped.
#[derive(Debug)]
pub(super) struct Place<'r> {
    room: &'r Room,
    bytes: usize,
    sender: Sender,
    /// `None`: many callers may stand behind the address.
    address: Option<IpAddr>,
}

impl Room {
    /// A place for the body of a request, without any room yet.
    pub(super) fn place<'r>(app: &'r Inner, parts: &Parts, sender: Sender) -> Place<'r> {
        let peer = parts.extensions.get::<Caller>().map(|caller| caller.peer.ip());
        let address = peer.filter(|peer| !app.environment.proxies.stand_at(*peer)).map(network);
        Place { room: &app.room, bytes: 0, sender, address }
    }
}

impl Place<'_> {
    /// Room for a body of that length.
    ///
    /// # Errors
    /// 413 for what nobody known may send, 503 when there is no room now.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), Refusal> {
        if bytes <= SMALL_BODY.max(self.bytes) {
            return Ok(());
        }
        if self.sender == Sender::Nobody {
            return Err(webhook::Refusal::TooLarge("the body is larger than 64 KiB".into()).into());
        }
        let mut held = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        match held.has(bytes - self.bytes, self) {
            true => {
                held.add(bytes - self.bytes, self);
                self.bytes = bytes;
                Ok(())
            }
            false => Err(Refusal::busy(hooks::some_seconds())),
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.room.0.lock().unwrap_or_else(PoisonError::into_inner).give_back(self);
    }
}

impl Held {
    fn has(&self, more: usize, place: &Place) -> bool {
        let here = place.address.and_then(|address| self.by_address.get(&address)).copied().unwrap_or(0);
        let within_share = self.unproven + more <= SHARE && (place.address.is_none() || here + more <= OF_ONE_ADDRESS);
        self.all + more <= ALL && (place.sender == Sender::Known || within_share)
    }

    fn add(&mut self, more: usize, place: &Place) {
        self.all += more;
        if place.sender != Sender::Known {
            self.unproven += more;
            if let Some(address) = place.address {
                *self.by_address.entry(address).or_default() += more;
            }
        }
    }

    fn give_back(&mut self, place: &Place) {
        self.all -= place.bytes;
        if place.sender != Sender::Known {
            self.unproven -= place.bytes;
            if let Some(address) = place.address
                && let Some(here) = self.by_address.get_mut(&address)
            {
                *here -= place.bytes;
                if *here == 0 {
                    self.by_address.remove(&address);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn strangers_have_a_share_each_address_half_of_it_and_who_is_known_the_rest() {
        let room = Room::default();
        let hold = |sender, address: Option<u8>, bytes| {
            let address = address.map(|last| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)));
            let mut place = Place { room: &room, bytes: 0, sender, address };
            place.hold(bytes).map(|()| place).map_err(|refusal| refusal.status.as_u16())
        };
        let unproven = |address| hold(Sender::Unproven, address, MIB);
        let first = unproven(Some(1)).unwrap();
        assert_eq!(unproven(Some(1)).unwrap_err(), 503, "one address");
        let second = unproven(Some(2)).unwrap();
        let third = unproven(None).unwrap();
        assert_eq!(unproven(None).unwrap_err(), 503, "all together");
        assert_eq!(unproven(Some(3)).unwrap_err(), 503);
        assert!(hold(Sender::Unproven, Some(1), SMALL_BODY).is_ok(), "a small body needs no room");
        let known = hold(Sender::Known, Some(1), MIB).unwrap();
        assert_eq!(hold(Sender::Known, Some(1), MIB).unwrap_err(), 503);
        assert_eq!(hold(Sender::Nobody, Some(4), SMALL_BODY + 1).unwrap_err(), 413);
        drop(second);
        assert!(unproven(Some(1)).is_err() && unproven(Some(3)).is_ok());
        drop((first, third, known));
        let held = room.0.lock().unwrap();
        assert_eq!((held.all, held.unproven, held.by_address.len()), (0, 0, 0));
    }

    #[test]
    fn a_body_without_a_length_takes_room_as_it_grows() {
        let room = Room::default();
        let mut places: Vec<Place> =
            (0..40).map(|_| Place { room: &room, bytes: 0, sender: Sender::Unproven, address: None }).collect();
        assert!(places.iter_mut().all(|place| place.hold(SMALL_BODY).is_ok()));
        assert_eq!(room.0.lock().unwrap().all, 0);
        assert!(places[0].hold(2 * SMALL_BODY).is_ok() && places[0].hold(MIB).is_ok());
        assert!(places[0].hold(SMALL_BODY).is_ok(), "it has that already");
        assert_eq!(room.0.lock().unwrap().all, MIB);
    }
}
