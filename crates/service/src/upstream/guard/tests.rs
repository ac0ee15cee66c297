#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

use std::collections::{BTreeMap, VecDeque};

use assay_collateral::pck::PlatformId;
use assay_collateral::upstream::{Answer, PckRequest, VcekName};
use assay_evidence::snp::Product;
use assay_evidence::snp::Tcb;

use super::*;

const NOT_KNOWN: UpstreamError = UpstreamError::Unknown { status: 404, detail: None };
const SPENT: UpstreamError = UpstreamError::NotAsked { reason: "this service has spent its questions" };
const BROKEN: UpstreamError = UpstreamError::NotAsked { reason: "it failed too often just now" };
const TOLD_TO_WAIT: UpstreamError = UpstreamError::NotAsked { reason: "it asked to wait" };

/// Gives its answers one after the other, each after a time, and the last one for ever.
#[derive(Debug, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<Outcome>>>,
    takes: Duration,
    /// When it was asked, in seconds since the first question.
    asked: Arc<Mutex<Vec<Instant>>>,
}

impl Upstream for Script {
    fn name(&self) -> &str {
        "script"
    }

    fn offers(&self, wanted: &Wanted) -> bool {
        *wanted != Wanted::Families
    }

    fn fetch<'a>(&'a self, _wanted: &'a Wanted) -> Answer<'a> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(Instant::now());
            tokio::time::sleep(self.takes).await;
            let mut answers = self.answers.lock().unwrap();
            if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
        })
    }
}

struct Rig {
    guarded: Arc<Guarded>,
    asked: Arc<Mutex<Vec<Instant>>>,
    answers: Arc<Mutex<VecDeque<Outcome>>>,
}

const BOUNDS: Bounds = Bounds {
    timeout: Duration::from_secs(20),
    retries: 3,
    interval: Duration::from_secs(10),
    burst: 10,
    is_remote: true,
};

impl Rig {
    fn new(answers: impl IntoIterator<Item = Outcome>, takes: Duration, bounds: Bounds) -> Self {
        let script = Script {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            takes,
            ..Script::default()
        };
        let (asked, answers) = (Arc::clone(&script.asked), Arc::clone(&script.answers));
        Self { guarded: Arc::new(Guarded::new(Box::new(script), bounds).unwrap()), asked, answers }
    }

    fn quick(answers: impl IntoIterator<Item = Outcome>) -> Self {
        Self::new(answers, Duration::ZERO, BOUNDS)
    }

    async fn ask(&self, number: u8, asker: Asker) -> Outcome {
        self.guarded.ask(&chip(number), asker).await
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn says(&self, answer: Outcome) {
        *self.answers.lock().unwrap() = VecDeque::from([answer]);
    }
}

fn chip(number: u8) -> Wanted {
    Wanted::Vcek(VcekName { product: Product::Milan, hwid: vec![number; 64], tcb: Tcb::default() })
}

fn good() -> Outcome {
    Ok(Fetched::Families(Vec::new()))
}

fn down() -> Outcome {
    Err(UpstreamError::Unavailable { problem: "down".to_owned() })
}

fn throttled(seconds: Option<u64>) -> Outcome {
    Err(UpstreamError::Throttled { retry_after: seconds.map(Duration::from_secs) })
}

#[tokio::test(start_paused = true)]
async fn what_fails_in_passing_is_asked_again_ever_later() {
    let rig = Rig::quick([down(), down(), Err(UpstreamError::BadAnswer { problem: "x".to_owned() }), good()]);
    assert_eq!(rig.ask(1, Asker::Own).await, good());
    let asked = rig.asked.lock().unwrap().clone();
    let waits: Vec<u128> = asked.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    let bounds = [(250, 500), (500, 1000), (1000, 2000)];
    assert_eq!(waits.len(), 3);
    for (wait, (least, most)) in waits.iter().zip(bounds) {
        assert!((least..=most + 2).contains(wait), "{waits:?}");
    }
    let counters = rig.guarded.counters();
    assert_eq!((counters.asked.get(), counters.answered.get(), counters.waiting.get()), (4, 1, 0));
    let failures = BTreeMap::from([("upstream-unavailable", 2), ("upstream-bad-answer", 1)]);
    assert_eq!(counters.failures(), failures);
}

#[tokio::test(start_paused = true)]
async fn retries_end() {
    let rig = Rig::quick([down()]);
    assert_eq!(rig.ask(1, Asker::Own).await, down());
    assert_eq!(rig.asked(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_will_not_change_is_asked_once() {
    let errors = [
        NOT_KNOWN,
        UpstreamError::NotOffered,
        UpstreamError::Gone,
        UpstreamError::Unauthorized { status: 401 },
    ];
    for error in errors {
        let rig = Rig::quick([Err(error.clone())]);
        assert_eq!((rig.ask(1, Asker::Own).await, rig.asked()), (Err(error), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_upstream_is_given_up() {
    let rig = Rig::new([good()], Duration::from_secs(21), Bounds { retries: 0, ..BOUNDS });
    let problem = "it did not answer within 20 seconds".to_owned();
    assert_eq!(rig.ask(1, Asker::Own).await, Err(UpstreamError::Unavailable { problem }));
    let rig = Rig::new([good()], Duration::from_secs(19), BOUNDS);
    assert_eq!(rig.ask(1, Asker::Own).await, good());
}

#[tokio::test(start_paused = true)]
async fn a_short_wait_is_waited_and_a_long_one_leaves_it_alone() {
    let rig = Rig::quick([throttled(Some(5)), good()]);
    let begun = Instant::now();
    assert_eq!(rig.ask(1, Asker::Own).await, good());
    assert!((5000..5010).contains(&(Instant::now() - begun).as_millis()));

    let rig = Rig::quick([throttled(Some(60)), good()]);
    assert_eq!(rig.ask(1, Asker::Own).await, throttled(Some(60)));
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(rig.ask(2, Asker::Own).await, Err(TOLD_TO_WAIT));
    assert_eq!(
        (rig.ask(2, stranger(1)).await, rig.guarded.state().breaker),
        (Err(TOLD_TO_WAIT), BreakerState::Open)
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((rig.ask(2, Asker::Own).await, rig.asked()), (good(), 2));

    let rig = Rig::quick([throttled(None), good()]);
    assert_eq!(rig.ask(1, Asker::Own).await, throttled(None));
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(rig.ask(2, Asker::Own).await, Err(TOLD_TO_WAIT), "half a minute where it does not say");
}

#[tokio::test(start_paused = true)]
async fn a_broken_upstream_is_left_alone_and_tried_with_one_question() {
    let rig = Rig::new([down()], Duration::ZERO, Bounds { retries: 0, interval: Duration::ZERO, ..BOUNDS });
    for _ in 0..5 {
        assert_eq!(rig.ask(1, Asker::Own).await, down());
    }
    assert_eq!((rig.ask(1, Asker::Own).await, rig.asked()), (Err(BROKEN), 5));
    assert_eq!(rig.guarded.state().breaker, BreakerState::Open);
    assert_eq!(rig.guarded.counters().failures()["upstream-not-asked"], 1);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(rig.guarded.state().breaker, BreakerState::HalfOpen);
    assert_eq!(rig.ask(1, Asker::Own).await, down());
    assert_eq!((rig.ask(1, Asker::Own).await, rig.asked()), (Err(BROKEN), 6));
    tokio::time::sleep(Duration::from_secs(30)).await;
    rig.says(good());
    assert_eq!((rig.ask(1, Asker::Own).await, rig.guarded.state().breaker), (good(), BreakerState::Closed));
}

#[tokio::test(start_paused = true)]
async fn strangers_close_the_way_for_strangers_alone() {
    let rig = Rig::new([down()], Duration::ZERO, Bounds { retries: 0, interval: Duration::ZERO, ..BOUNDS });
    for _ in 0..5 {
        assert_eq!(rig.ask(1, stranger(1)).await, down());
    }
    assert_eq!(rig.ask(1, stranger(1)).await, Err(BROKEN));
    assert_eq!(rig.guarded.state().breaker, BreakerState::Closed);
    rig.says(good());
    assert_eq!(rig.ask(1, Asker::Own).await, good());
    assert_eq!(rig.ask(1, stranger(1)).await, good(), "an answer opens it for all");
}

#[tokio::test(start_paused = true)]
async fn one_source_leaves_half_of_what_flows_in_to_the_others() {
    let rig = Rig::quick([good()]);
    let mut numbers = 0..;
    let mut ask = async |source| rig.ask(numbers.next().unwrap(), stranger(source)).await;
    for _ in 0..5 {
        assert_eq!(ask(1).await, good());
    }
    let mut answered = [0, 0];
    for _ in 0..20 {
        tokio::time::advance(BOUNDS.interval).await;
        // Whoever is greedy always comes first.
        answered[0] += u32::from(ask(1).await == good());
        answered[1] += u32::from(ask(2).await == good());
    }
    assert_eq!(answered, [10, 10]);
}

#[tokio::test(start_paused = true)]
async fn strangers_spend_half_of_the_questions() {
    let rig = Rig::quick([good()]);
    for number in 0..5 {
        assert_eq!(rig.ask(number, stranger(number)).await, good());
    }
    assert_eq!((rig.ask(5, stranger(5)).await, rig.asked()), (Err(SPENT), 5));
    for number in 5..10 {
        assert_eq!(rig.ask(number, Asker::Own).await, good());
    }
    let begun = Instant::now();
    assert_eq!(rig.ask(10, Asker::Own).await, good(), "the service's own platforms wait for a turn");
    assert!((9990..10_010).contains(&(Instant::now() - begun).as_millis()));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_turn_longer_than_for_an_answer() {
    let rig =
        Rig::new([good()], Duration::ZERO, Bounds { burst: 1, interval: Duration::from_secs(30), ..BOUNDS });
    assert_eq!(rig.ask(1, Asker::Own).await, good());
    let begun = Instant::now();
    assert_eq!((rig.ask(2, Asker::Own).await, Instant::now() - begun), (Err(SPENT), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_not_allowed_leaves_the_first_error() {
    let rig = Rig::new([down()], Duration::ZERO, Bounds { burst: 1, ..BOUNDS });
    assert_eq!((rig.ask(1, stranger(1)).await, rig.asked()), (down(), 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_is_not_asked_again_for_ten_minutes() {
    let rig = Rig::quick([Err(NOT_KNOWN), good()]);
    assert_eq!(rig.ask(1, Asker::Own).await, Err(NOT_KNOWN));
    tokio::time::sleep(Duration::from_secs(599)).await;
    assert_eq!((rig.ask(1, stranger(1)).await, rig.asked()), (Err(NOT_KNOWN), 1));
    assert_eq!(rig.ask(2, Asker::Own).await, good(), "another chip is another question");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((rig.ask(1, Asker::Own).await, rig.asked()), (good(), 3));

    let rig = Rig::new([Err(NOT_KNOWN), good()], Duration::ZERO, Bounds { is_remote: false, ..BOUNDS });
    assert_eq!(rig.ask(1, Asker::Own).await, Err(NOT_KNOWN));
    assert_eq!(rig.ask(1, Asker::Own).await, good(), "a file may have been put there");
}

#[tokio::test(start_paused = true)]
async fn a_crowd_asks_once() {
    let rig = Rig::new([good()], Duration::from_secs(2), BOUNDS);
    let ask = |number: u32| {
        let guarded = Arc::clone(&rig.guarded);
        let asker = if number.is_multiple_of(2) { Asker::Own } else { stranger(1) };
        tokio::spawn(async move { guarded.ask(&chip(1), asker).await })
    };
    let mut crowd: Vec<_> = (0..200).map(ask).collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(rig.guarded.counters().waiting.get(), 200);
    // Those who came first go away.
    crowd.drain(..100).for_each(|task| task.abort());
    for task in crowd {
        assert_eq!(task.await.unwrap(), good());
    }
    assert_eq!((rig.asked(), rig.guarded.counters().waiting.get()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn who_asked_first_may_go_away() {
    let rig = Rig::new([good()], Duration::from_secs(2), BOUNDS);
    let guarded = Arc::clone(&rig.guarded);
    let first = tokio::spawn(async move { guarded.ask(&chip(1), Asker::Own).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let begun = Instant::now();
    assert_eq!((rig.ask(1, Asker::Own).await, rig.asked()), (good(), 1));
    assert!((Instant::now() - begun).as_millis() < 1010, "it waited for what was under way");
}

#[tokio::test(start_paused = true)]
async fn an_own_question_is_not_lost_with_that_of_a_stranger() {
    let rig = Rig::new([down(), good()], Duration::from_secs(1), Bounds { burst: 2, ..BOUNDS });
    assert_eq!(rig.ask(9, stranger(1)).await, down());
    // The stranger comes first and finds nothing in the bucket; whoever joined him asks for himself.
    let (stranger, own) = tokio::join!(rig.ask(1, stranger(2)), rig.ask(1, Asker::Own));
    assert_eq!((stranger, own, rig.asked()), (Err(SPENT), good(), 2));
}

#[test]
fn identifiers_are_in_no_text() {
    let rig = {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { Rig::quick([good()]) })
    };
    let hwid = hex::encode([0xab; 64]);
    let id = PlatformId { qe_id: [0xcd; 16], pce_id: [0, 0] };
    let request = PckRequest {
        id,
        encrypted_ppid: Some(vec![0xef; 384]),
        manifest: Some(vec![0x12; 100]),
        raw_tcb: None,
    };
    let wanted = [chip(0xab), Wanted::Pcks(request)];
    let texts = wanted.iter().map(|wanted| format!("{wanted:?} {}", label(wanted)));
    let text = texts.collect::<String>() + &format!("{:?}", rig.guarded);
    for secret in
        [hwid.get(..8).unwrap(), "cdcd", "205, 205", "efef", "239, 239", "171, 171", "1212", "18, 18"]
    {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert_eq!(label(&chip(1)), "amd/vcek/Milan");
}

#[tokio::test(start_paused = true)]
async fn files_are_never_left_alone() {
    let bounds = Bounds { retries: 0, interval: Duration::ZERO, is_remote: false, ..BOUNDS };
    let rig = Rig::new([down()], Duration::ZERO, bounds);
    for _ in 0..20 {
        assert_eq!(rig.ask(1, Asker::Own).await, down());
    }
    assert_eq!((rig.asked(), rig.guarded.state().breaker), (20, BreakerState::Closed));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_offered_costs_no_question() {
    let rig = Rig::new([good()], Duration::ZERO, Bounds { burst: 1, ..BOUNDS });
    for _ in 0..10 {
        assert_eq!(rig.guarded.ask(&Wanted::Families, Asker::Own).await, Err(UpstreamError::NotOffered));
    }
    assert_eq!((rig.asked(), rig.guarded.counters().asked.get()), (0, 0));
    assert_eq!(rig.ask(1, stranger(1)).await, good(), "the bucket is still full");
    // A cache without a path says so once.
    let rig = Rig::quick([Err(UpstreamError::NotOffered)]);
    for _ in 0..2 {
        assert_eq!((rig.ask(1, Asker::Own).await, rig.asked()), (Err(UpstreamError::NotOffered), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn strangers_leave_room_for_questions_under_way() {
    let bounds = Bounds { interval: Duration::ZERO, ..BOUNDS };
    let rig = Rig::new([good()], Duration::from_secs(1), bounds);
    let chip = |number: u16| {
        let hwid = number.to_le_bytes().to_vec();
        Wanted::Vcek(VcekName { product: Product::Turin, hwid, tcb: Tcb::default() })
    };
    let ask = |number: u16, asker: Asker| {
        let guarded = Arc::clone(&rig.guarded);
        tokio::spawn(async move { guarded.ask(&chip(number), asker).await })
    };
    let crowd: Vec<_> = (0..200).map(|number| ask(number, stranger(1))).collect();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(rig.ask(1, Asker::Own).await, good());
    let mut outcomes = Vec::new();
    for task in crowd {
        outcomes.push(task.await.unwrap());
    }
    let full = Err(UpstreamError::NotAsked { reason: "too many questions are under way" });
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == full).count(), 72);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == good()).count(), 128);
}
