//! Each lead's messages go out in order, each once, and none is forgotten.

use crate::fixture::{NIGHT, clock, item, lead};
use patrol_core::desk::{DeliveryResult, OutboxItem, PushOp};
use patrol_core::{Clock, LeadId, Tier, WallTime};
use patrol_store::{Change, ErrorKind, OutboxCounts, OutboxRow, Store};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn write(store: &mut Store, number: u32, revision: u32, op: PushOp) -> i64 {
    write_item(store, item(op, &lead(number, revision)))
}

/// The same, with what the city had refused of the lead.
fn write_again(store: &mut Store, number: u32, revision: u32, op: PushOp) -> i64 {
    write_item(store, OutboxItem { again: true, ..item(op, &lead(number, revision)) })
}

fn write_item(store: &mut Store, item: OutboxItem) -> i64 {
    let leads = [item.lead.clone()];
    store.commit(&Change { outbox: &[item], leads: &leads, ..Change::default() }).unwrap().sequences[0]
}

/// Number, revision and operation of what may be sent now.
fn due(store: &Store, now: WallTime) -> Vec<(i64, u32, PushOp)> {
    store.outbox_due(now, 100).unwrap().iter().map(|row| (row.item.sequence, row.item.lead.revision, row.item.op)).collect()
}

#[test]
fn a_lead_sends_its_creation_first_and_then_only_the_newest_update() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), clock()).unwrap();
    let create = write(&mut store, 1, 1, PushOp::Create);
    write(&mut store, 1, 2, PushOp::Update);
    write(&mut store, 1, 3, PushOp::Update);
    let newest = write(&mut store, 1, 4, PushOp::Update);
    let cancel = write(&mut store, 1, 5, PushOp::Cancel);
    assert_eq!(due(&store, NIGHT), [(create, 1, PushOp::Create)]);
    store.outbox_delivered(create, NIGHT, Some("C-7")).unwrap();
    assert_eq!(due(&store, NIGHT), [(newest, 4, PushOp::Update)]);
    store.outbox_delivered(newest, NIGHT, None).unwrap();
    assert_eq!(due(&store, NIGHT), [(cancel, 5, PushOp::Cancel)]);
    store.outbox_delivered(cancel, NIGHT, None).unwrap();
    assert_eq!(due(&store, NIGHT), []);
    assert_eq!(store.outbox_counts().unwrap(), OutboxCounts { waiting: 0, parked: 0, delivered: 3, superseded: 2 });
    assert!(!store.outbox_delivered(create, NIGHT, None).unwrap(), "delivered once");
    assert_eq!(store.outbox_delivered(999, NIGHT, None).unwrap_err().kind(), ErrorKind::Bug);
}

#[test]
fn the_most_urgent_goes_first_and_one_waiting_holds_up_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let mut store = Store::open(dir.path(), clock.clone()).unwrap();
    assert_eq!(store.next_outbox_time().unwrap(), None);
    let slow = write(&mut store, 1, 1, PushOp::Create);
    let mut urgent = lead(2, 1);
    urgent.tier = Tier::A;
    let first = store.commit(&Change { outbox: &[item(PushOp::Create, &urgent)], ..Change::default() }).unwrap().sequences[0];
    assert_eq!(due(&store, NIGHT).iter().map(|row| row.0).collect::<Vec<_>>(), [first, slow]);

    let later = NIGHT + Duration::from_mins(1);
    assert!(store.outbox_retry(first, later, "503").unwrap());
    assert_eq!(due(&store, NIGHT).iter().map(|row| row.0).collect::<Vec<_>>(), [slow]);
    store.outbox_delivered(slow, NIGHT, None).unwrap();
    assert_eq!(store.next_outbox_time().unwrap(), Some(later));
    clock.set(later);
    let row = &store.outbox_due(later, 1).unwrap()[0];
    assert_eq!((row.attempts, row.why.as_deref(), row.waiting_since), (1, Some("503"), NIGHT));

    // Set back by a day, the clock must not keep it waiting for a day.
    store.outbox_retry(first, later + Duration::from_mins(1), "503").unwrap();
    clock.set(NIGHT - Duration::from_hours(24));
    assert_eq!(due(&store, clock.now()).len(), 1);
    assert_eq!(store.next_outbox_time().unwrap(), Some(clock.now()));
}

#[test]
fn a_parked_lead_waits_for_an_officer_and_then_sends_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), clock()).unwrap();
    let create = write(&mut store, 1, 1, PushOp::Create);
    store.outbox_delivered(create, NIGHT, None).unwrap();
    let update = write(&mut store, 1, 2, PushOp::Update);
    assert!(store.outbox_parked(update, NIGHT, "422: no class").unwrap());
    let newest = write(&mut store, 1, 3, PushOp::Update);
    assert_eq!(due(&store, NIGHT), []);
    assert_eq!(store.next_outbox_time().unwrap(), None);
    let parked = store.outbox_parked_rows().unwrap();
    assert_eq!(parked.iter().map(|row| (row.sequence, row.revision, row.why.as_str())).collect::<Vec<_>>(), [(newest, 3, "422: no class")]);

    let again = write_again(&mut store, 1, 4, PushOp::Update);
    assert_eq!(due(&store, NIGHT), [(again, 4, PushOp::Update)]);
    assert_eq!(store.outbox_due(NIGHT, 1).unwrap()[0].attempts, 0, "its tries begin anew");
    assert_eq!(store.outbox_parked_rows().unwrap(), []);
}

#[test]
fn a_creation_that_was_refused_gives_way_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), clock()).unwrap();
    let create = write(&mut store, 1, 1, PushOp::Create);
    write(&mut store, 1, 2, PushOp::Update);
    assert!(store.outbox_parked(create, NIGHT, "422: no class").unwrap());
    assert_eq!(due(&store, NIGHT), []);
    let again = write_again(&mut store, 1, 3, PushOp::Create);
    assert_eq!(due(&store, NIGHT), [(again, 3, PushOp::Create)]);
    assert_eq!(store.load_deliveries(NIGHT).unwrap(), [], "at a restart it is not told of as parked");
    store.outbox_delivered(again, NIGHT, Some("C-7")).unwrap();
    assert_eq!(store.outbox_counts().unwrap(), OutboxCounts { waiting: 0, parked: 0, delivered: 1, superseded: 2 });
}

#[test]
fn a_report_for_an_update_that_was_replaced_on_its_way_counts_for_the_newer_one() {
    let report = |report: &dyn Fn(&mut Store, i64)| {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path(), clock()).unwrap();
        let older = write(&mut store, 1, 2, PushOp::Update);
        write(&mut store, 1, 3, PushOp::Update);
        write(&mut store, 1, 4, PushOp::Update);
        report(&mut store, older);
        (due(&store, NIGHT).len(), store.outbox_counts().unwrap(), dir)
    };
    let (now, counts, _dir) = report(&|store, older| assert!(store.outbox_delivered(older, NIGHT, None).unwrap()));
    assert_eq!((now, counts.waiting, counts.delivered, counts.superseded), (1, 1, 1, 1));
    let later = NIGHT + Duration::from_secs(5);
    let (now, counts, _dir) = report(&|store, older| assert!(store.outbox_retry(older, later, "timeout").unwrap()));
    assert_eq!((now, counts.waiting, counts.superseded), (0, 1, 2));
    let (now, counts, _dir) = report(&|store, older| assert!(store.outbox_parked(older, NIGHT, "400").unwrap()));
    assert_eq!((now, counts.parked, counts.superseded), (0, 1, 2));
}

#[test]
fn after_a_restart_the_desk_can_learn_what_was_delivered() {
    let dir = tempfile::tempdir().unwrap();
    {
        let mut store = Store::open(dir.path(), clock()).unwrap();
        let first = write(&mut store, 1, 1, PushOp::Create);
        let second = write(&mut store, 2, 1, PushOp::Create);
        write(&mut store, 3, 1, PushOp::Create);
        store.outbox_delivered(first, NIGHT, Some("C-9")).unwrap();
        let update = write(&mut store, 1, 2, PushOp::Update);
        store.outbox_delivered(update, NIGHT, None).unwrap();
        store.outbox_parked(second, NIGHT, "400: coordinates").unwrap();
    }
    let store = Store::open(dir.path(), clock()).unwrap();
    let results: Vec<_> =
        store.load_deliveries(NIGHT).unwrap().into_iter().map(|report| (report.lead.0, report.revision, report.result)).collect();
    assert_eq!(
        results,
        [
            ("XL-20260105-000002".into(), 1, DeliveryResult::Parked { why: "400: coordinates".into() }),
            ("XL-20260105-000001".into(), 2, DeliveryResult::Delivered { case_id: Some("C-9".into()) }),
        ]
    );
    assert_eq!(store.load_deliveries(NIGHT + Duration::from_secs(1)).unwrap(), []);
}

#[test]
fn a_message_this_build_cannot_read_is_parked_where_people_see_it() {
    let dir = tempfile::tempdir().unwrap();
    write(&mut Store::open(dir.path(), clock()).unwrap(), 1, 1, PushOp::Create);
    rusqlite::Connection::open(dir.path().join("patrol.sqlite")).unwrap().execute("UPDATE outbox SET item = '{}'", []).unwrap();
    let store = Store::open(dir.path(), clock()).unwrap();
    assert_eq!(due(&store, NIGHT), []);
    assert!(store.outbox_parked_rows().unwrap()[0].why.starts_with("unreadable in the outbox"));
}

#[derive(Debug, Clone)]
enum Step {
    /// A lead changes: a create the first time, then updates, at most one cancel.
    Write {
        lead: u32,
        cancel: bool,
    },
    /// What is due and not on its way already is put on its way.
    Send,
    Settle {
        pick: usize,
        outcome: Outcome,
    },
    /// An officer asks that what was refused be tried again.
    Again {
        lead: u32,
    },
    Advance {
        seconds: u64,
    },
    /// The process dies: what was on its way is unknown, and is sent again.
    Restart,
}

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Delivered,
    Retry,
    Parked,
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![3 => Just(Outcome::Delivered), 2 => Just(Outcome::Retry), 1 => Just(Outcome::Parked)];
    prop_oneof![
        6 => (0..3_u32, proptest::bool::weighted(0.15)).prop_map(|(lead, cancel)| Step::Write { lead, cancel }),
        4 => Just(Step::Send),
        5 => (any::<usize>(), outcome).prop_map(|(pick, outcome)| Step::Settle { pick, outcome }),
        1 => (0..3_u32).prop_map(|lead| Step::Again { lead }),
        2 => (0..90_u64).prop_map(|seconds| Step::Advance { seconds }),
        1 => Just(Step::Restart),
    ]
}

/// The world around the outbox: what was written, and what the city got.
#[derive(Default)]
struct World {
    written: BTreeMap<LeadId, Vec<(u32, PushOp)>>,
    received: BTreeMap<LeadId, Vec<(u32, PushOp)>>,
    delivered: BTreeSet<i64>,
    on_their_way: Vec<OutboxRow>,
}

impl World {
    fn send(&mut self, store: &Store, now: WallTime) {
        for row in store.outbox_due(now, 100).unwrap() {
            assert!(!self.delivered.contains(&row.item.sequence), "sent again after its delivery: {row:?}");
            if self.on_their_way.iter().all(|other| other.item.lead.id != row.item.lead.id) {
                self.on_their_way.push(row);
            }
        }
    }
    fn settle(&mut self, store: &mut Store, pick: usize, outcome: Outcome, now: WallTime) {
        if self.on_their_way.is_empty() {
            return;
        }
        let row = self.on_their_way.swap_remove(pick % self.on_their_way.len());
        let sequence = row.item.sequence;
        match outcome {
            Outcome::Delivered => {
                self.received.entry(row.item.lead.id.clone()).or_default().push((row.item.lead.revision, row.item.op));
                self.delivered.insert(sequence);
                assert!(store.outbox_delivered(sequence, now, None).unwrap());
            }
            Outcome::Retry => assert!(store.outbox_retry(sequence, now + Duration::from_secs(30), "503").unwrap()),
            Outcome::Parked => assert!(store.outbox_parked(sequence, now, "422").unwrap()),
        }
    }
    /// Tells a lead that has something parked once more.
    fn ask_again(&mut self, store: &mut Store, number: u32) {
        let id = lead(number, 1).id;
        if store.outbox_parked_rows().unwrap().iter().any(|row| row.lead == id) {
            let written = self.written.entry(id).or_default();
            let revision = written.len() as u32 + 1;
            written.push((revision, PushOp::Update));
            write_again(store, number, revision, PushOp::Update);
        }
    }
    /// What the city got of a lead must be what was written, in order, less updates that a newer update replaced.
    fn check(&self) {
        for (lead, written) in &self.written {
            let received = self.received.get(lead).map_or(&[][..], Vec::as_slice);
            let mut left = received.iter().peekable();
            for (index, message) in written.iter().enumerate() {
                if left.peek() == Some(&message) {
                    left.next();
                } else {
                    let next = written.get(index + 1).map(|next| next.1);
                    assert!(
                        message.1 == PushOp::Update && next == Some(PushOp::Update),
                        "{lead}: {message:?} missing in {received:?} of {written:?}"
                    );
                }
            }
            assert_eq!(left.next(), None, "{lead}: {received:?} of {written:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_order_is_kept_and_nothing_is_lost_or_sent_twice(steps in proptest::collection::vec(step(), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let clock = clock();
        let mut store = Store::open(dir.path(), clock.clone()).unwrap();
        let mut world = World::default();
        for step in steps {
            match step {
                Step::Write { lead: number, cancel } => {
                    let written = world.written.entry(lead(number, 1).id).or_default();
                    let revision = written.len() as u32 + 1;
                    let op = if revision == 1 { PushOp::Create } else if cancel { PushOp::Cancel } else { PushOp::Update };
                    written.push((revision, op));
                    write(&mut store, number, revision, op);
                }
                Step::Send => world.send(&store, clock.now()),
                Step::Settle { pick, outcome } => world.settle(&mut store, pick, outcome, clock.now()),
                Step::Again { lead: number } => world.ask_again(&mut store, number),
                Step::Advance { seconds } => clock.advance(Duration::from_secs(seconds)),
                Step::Restart => {
                    drop(store);
                    world.on_their_way.clear();
                    store = Store::open(dir.path(), clock.clone()).unwrap();
                }
            }
        }
        // The city is well again and officers send what was parked: all goes out, in a bounded number of rounds.
        for _ in 0..200 {
            for number in 0..3 {
                world.ask_again(&mut store, number);
            }
            world.send(&store, clock.now());
            while !world.on_their_way.is_empty() {
                world.settle(&mut store, 0, Outcome::Delivered, clock.now());
            }
            clock.advance(Duration::from_mins(1));
        }
        let counts = store.outbox_counts().unwrap();
        let written: usize = world.written.values().map(Vec::len).sum();
        prop_assert_eq!((counts.waiting, counts.parked, counts.delivered + counts.superseded), (0, 0, written as u64));
        world.check();
    }
}
