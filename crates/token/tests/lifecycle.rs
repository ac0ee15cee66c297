//! The life of keys: single steps, and what holds over whole lives.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

use assay_token::lifecycle::{
    KeyRecord, Purpose, RotationPolicy, Schedule, State, Transition, apply, plan, published, signing_key,
};
use assay_token::{Algorithm, TokenError};
use proptest::prelude::*;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const POLICY: RotationPolicy =
    RotationPolicy { publish_before: DAY, max_age: 30 * DAY, token_life: 8 * HOUR, overlap: 300 };

/// A ring as the service would keep it.
#[derive(Default, Clone)]
struct Ring {
    keys: Vec<KeyRecord>,
    made: usize,
}

impl Ring {
    fn carry_out(&mut self, step: &Transition, now: u64) {
        if let Transition::Create(schedule) = step {
            self.made += 1;
            let ring = ("domain", "provider", Purpose::AttestationToken);
            let kid = format!("k{}", self.made);
            self.keys.push(KeyRecord::new(ring, &kid, Algorithm::Rs256, *schedule, now));
        }
        apply(&mut self.keys, step, now).unwrap();
    }

    /// Plans and carries out until nothing is left to do.
    fn settle(&mut self, policy: &RotationPolicy, now: u64) -> Vec<Transition> {
        let mut done = Vec::new();
        loop {
            let steps = plan(&self.keys, policy, now).unwrap();
            if steps.is_empty() {
                return done;
            }
            for step in steps {
                self.carry_out(&step, now);
                done.push(step);
            }
            assert!(done.len() < 20, "the plan comes to rest: {done:?}");
        }
    }

    fn kids(&self, now: u64) -> Vec<&str> {
        published(&self.keys, now).iter().map(|key| key.kid.as_str()).collect()
    }

    fn signer(&self, now: u64) -> &str {
        &signing_key(&self.keys, now).unwrap().kid
    }
}

#[test]
fn a_whole_life() {
    let mut ring = Ring::default();
    let start = 1000 * DAY;
    let activate = |kid: &str, now| Transition::Activate { kid: kid.into(), retire_at: now + POLICY.max_age };
    let first = Schedule { publish_at: start, activate_at: start, retire_at: start + POLICY.max_age };
    assert_eq!(ring.settle(&POLICY, start), [Transition::Create(first), activate("k1", start)]);
    assert_eq!((ring.signer(start), ring.kids(start)), ("k1", vec!["k1"]));

    // A day before the first is due its successor is published.
    let soon = start + 29 * DAY;
    assert_eq!(ring.settle(&POLICY, soon - 1), []);
    let due = start + 30 * DAY;
    let second = Schedule { publish_at: soon, activate_at: due, retire_at: due + POLICY.max_age };
    assert_eq!(ring.settle(&POLICY, soon), [Transition::Create(second)]);
    assert_eq!((ring.signer(soon), ring.kids(soon)), ("k1", vec!["k1", "k2"]));
    assert_eq!(ring.settle(&POLICY, due - 1), []);

    // Then they change places, the new one first.
    let expiry = due + POLICY.overlap + POLICY.token_life;
    let stop = Transition::StopSigning { kid: "k1".into(), last_token_expiry: expiry };
    assert_eq!(ring.settle(&POLICY, due), [activate("k2", due), stop]);
    assert_eq!((ring.signer(due), ring.kids(due)), ("k2", vec!["k1", "k2"]));

    // The old one stays until its last token has expired.
    assert_eq!(ring.settle(&POLICY, expiry - 1), []);
    assert_eq!(ring.settle(&POLICY, expiry), [Transition::Retire { kid: "k1".into() }]);
    assert_eq!(ring.kids(expiry), ["k2"]);
    // A clock that stands behind the one that retired it still publishes it.
    assert_eq!(ring.kids(expiry - 1), ["k1", "k2"]);
    assert_eq!(ring.keys[0].state, State::Retired);
}

#[test]
fn a_late_plan_still_waits_for_publication() {
    let mut ring = Ring::default();
    ring.settle(&POLICY, 0);
    // Nobody planned for a year.
    let late = 365 * DAY;
    let schedule =
        Schedule { publish_at: late, activate_at: late + DAY, retire_at: late + DAY + POLICY.max_age };
    assert_eq!(ring.settle(&POLICY, late), [Transition::Create(schedule)]);
    assert_eq!(ring.signer(late), "k1");
    assert_eq!(ring.settle(&POLICY, late + DAY - 1), []);
    ring.settle(&POLICY, late + DAY);
    assert_eq!(ring.signer(late + DAY), "k2");
}

#[test]
fn without_waiting_under_dev() {
    let policy = RotationPolicy { max_age: HOUR, ..RotationPolicy::dev() };
    let mut ring = Ring::default();
    ring.settle(&policy, 0);
    assert_eq!(ring.settle(&policy, HOUR - 1), []);
    ring.settle(&policy, HOUR);
    assert_eq!((ring.signer(HOUR), ring.kids(HOUR)), ("k2", vec!["k1", "k2"]));
    assert_eq!(RotationPolicy::default().publish_before, DAY);
}

#[test]
fn a_stricter_policy_holds_for_keys_already_published() {
    let mut ring = Ring::default();
    ring.settle(&POLICY, 0);
    ring.settle(&POLICY, 29 * DAY);
    let patient = RotationPolicy { publish_before: 3 * DAY, ..POLICY };
    assert_eq!(ring.settle(&patient, 32 * DAY - 1), []);
    assert_eq!(ring.signer(32 * DAY - 1), "k1");
    ring.settle(&patient, 32 * DAY);
    assert_eq!(ring.signer(32 * DAY), "k2");
}

#[test]
fn emergencies() {
    // With a successor at hand, it takes over at once.
    let mut ring = Ring::default();
    ring.settle(&POLICY, 0);
    ring.settle(&POLICY, 29 * DAY);
    let now = 29 * DAY + 60;
    ring.keys[0].revoke(now);
    assert_eq!(ring.kids(now), ["k2"]);
    assert_eq!(signing_key(&ring.keys, now), Err(TokenError::NoSigningKey));
    ring.settle(&POLICY, now);
    assert_eq!(ring.signer(now), "k2");
    // Without one, a new key is made.
    ring.keys[1].revoke(now + 60);
    ring.settle(&POLICY, now + 60);
    assert_eq!((ring.signer(now + 60), ring.kids(now + 60)), ("k3", vec!["k3"]));
    // There is no way back, and revoking twice changes nothing.
    let revoked = ring.keys[0].clone();
    ring.keys[0].revoke(now + 999);
    assert_eq!(ring.keys[0], revoked);
    let step = Transition::Activate { kid: "k1".into(), retire_at: 0 };
    let error = TokenError::IllegalTransition { kid: "k1".into(), from: State::Revoked, to: State::Active };
    assert_eq!(apply(&mut ring.keys, &step, now), Err(error));
}

#[test]
fn steps_out_of_turn() {
    let mut ring = Ring::default();
    ring.settle(&POLICY, 0);
    let mut refuse = |step: Transition, to| {
        let error = TokenError::IllegalTransition { kid: "k1".into(), from: State::Active, to };
        assert_eq!(apply(&mut ring.keys, &step, 1), Err(error));
    };
    refuse(Transition::Activate { kid: "k1".into(), retire_at: 9 }, State::Active);
    refuse(Transition::Retire { kid: "k1".into() }, State::Retired);
    assert_eq!(
        apply(&mut ring.keys, &Transition::Retire { kid: "x".into() }, 1),
        Err(TokenError::KidUnknown { kid: "x".into() })
    );
}

#[test]
fn two_processes_that_plan_at_once() {
    // Both made the first key, and both activated theirs.
    let mut ring = Ring::default();
    let first = plan(&[], &POLICY, 0).unwrap();
    ring.carry_out(&first[0], 0);
    ring.carry_out(&first[0], 0);
    for kid in ["k1", "k2"] {
        ring.carry_out(&Transition::Activate { kid: kid.into(), retire_at: POLICY.max_age }, 0);
    }
    assert_eq!(ring.signer(0), "k2");
    ring.settle(&POLICY, 1);
    let states: Vec<_> = ring.keys.iter().map(|key| key.state).collect();
    assert_eq!(states, [State::Retiring, State::Active]);
}

#[test]
fn a_clock_that_is_behind_signs_with_the_key_before() {
    let mut ring = Ring::default();
    ring.settle(&POLICY, 0);
    ring.settle(&POLICY, 29 * DAY);
    ring.carry_out(&Transition::Activate { kid: "k2".into(), retire_at: 60 * DAY }, 30 * DAY);
    assert_eq!(ring.signer(30 * DAY - 1), "k1");
    assert_eq!(ring.signer(30 * DAY), "k2");
    // If only a key from the future is there, it serves.
    ring.keys[0].revoke(0);
    assert_eq!(ring.signer(0), "k2");
}

#[test]
fn rings_do_not_mix() {
    let mut ring = Ring::default();
    ring.settle(&POLICY, 0);
    for change in [
        |key: &mut KeyRecord| key.provider = "other".into(),
        |key: &mut KeyRecord| key.domain = "other".into(),
        |key: &mut KeyRecord| key.purpose = Purpose::Challenge,
    ] {
        let mut foreign = ring.keys[0].clone();
        change(&mut foreign);
        let keys = [ring.keys[0].clone(), foreign];
        assert_eq!(plan(&keys, &POLICY, 0), Err(TokenError::MixedRing));
        assert_eq!(signing_key(&keys, 0), Err(TokenError::MixedRing));
        assert_eq!(published(&keys, 0).len(), 2, "one key set may serve several rings");
    }
}

#[test]
fn records_survive_storage() {
    let mut ring = Ring::default();
    ring.settle(&POLICY, 7);
    let text = serde_json::to_string(&ring.keys).unwrap();
    assert!(text.contains(r#""purpose":"attestation-token","algorithm":"RS256","state":"active""#), "{text}");
    assert_eq!(serde_json::from_str::<Vec<KeyRecord>>(&text).unwrap(), ring.keys);
}

/// What may happen to a ring.
#[derive(Debug, Clone)]
enum Event {
    /// Time goes by and somebody plans, but crashes after so many steps.
    Plan { after: u64, steps: usize },
    /// The operator revokes the key of this index.
    Revoke(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        9 => (0..12 * DAY, 0..6_usize).prop_map(|(after, steps)| Event::Plan { after, steps }),
        1 => any::<usize>().prop_map(Event::Revoke),
    ]
}

fn policy() -> impl Strategy<Value = RotationPolicy> {
    (0..2 * DAY, 0..20 * DAY, 0..DAY, 0..HOUR).prop_map(|(publish_before, max_age, token_life, overlap)| {
        RotationPolicy { publish_before, max_age, token_life, overlap }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_always_holds(policy in policy(), events in prop::collection::vec(event(), 1..40)) {
        let mut ring = Ring::default();
        let mut now = 1_000_000_000;
        // Per key: until when tokens that it signed are valid.
        let mut tokens: Vec<(String, u64)> = Vec::new();
        let mut had_active = false;
        for event in events {
            match event {
                Event::Revoke(index) => {
                    if !ring.keys.is_empty() {
                        let index = index % ring.keys.len();
                        ring.keys[index].revoke(now);
                        had_active = signing_key(&ring.keys, now).is_ok();
                    }
                }
                Event::Plan { after, steps } => {
                    now += after;
                    for step in plan(&ring.keys, &policy, now).unwrap().into_iter().take(steps) {
                        let alone = signing_key(&ring.keys, now).is_err();
                        if let Transition::Activate { kid, .. } = &step && !alone {
                            let key = ring.keys.iter().find(|key| key.kid == *kid).unwrap();
                            prop_assert!(key.publish_at + policy.publish_before <= now, "not published long enough");
                        }
                        ring.carry_out(&step, now);
                        let active = signing_key(&ring.keys, now).is_ok();
                        prop_assert!(active || !had_active, "no active key after {:?}", step);
                        had_active |= active;
                    }
                }
            }
            let kids: Vec<String> = ring.kids(now).into_iter().map(str::to_owned).collect();
            for key in &ring.keys {
                prop_assert!(key.state != State::Revoked || !kids.contains(&key.kid), "revoked and published");
            }
            if let Ok(key) = signing_key(&ring.keys, now) {
                prop_assert!(kids.contains(&key.kid), "signs unpublished");
                tokens.push((key.kid.clone(), now + policy.token_life));
            }
            for (kid, expiry) in &tokens {
                let revoked = ring.keys.iter().any(|key| key.kid == *kid && key.state == State::Revoked);
                prop_assert!(revoked || *expiry <= now || kids.contains(kid), "a valid token lost its key");
            }
        }
        ring.settle(&policy, now);
        prop_assert!(signing_key(&ring.keys, now).is_ok());
    }
}
