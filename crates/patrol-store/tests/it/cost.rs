//! What a commit costs on this machine's disk: `cargo test -p patrol-store -- --ignored --nocapture cost`.

use crate::fixture::{clock, evidence, item, jpeg, lead};
use patrol_core::desk::PushOp;
use patrol_core::{Clock, Evidence, SystemClock};
use patrol_store::{Change, Store};
use std::sync::Arc;

#[test]
#[ignore = "measures, asserts nothing"]
fn cost_of_a_commit() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut store = Store::open(dir.path(), clock()).unwrap();
    let with_previews = |seed: u64| {
        let mut one: Evidence = (*evidence(seed)).clone();
        one.preview = (0..20).map(|n| jpeg(seed * 100 + n, 8_000)).collect();
        Arc::new(one)
    };
    measure("lead + outbox row + desk state", 500, |n| commit(&mut store, n, &[]));
    measure("  and 3 pictures (200, 20, 8 kB)", 200, |n| commit(&mut store, 1_000 + n, &[evidence(1_000 + u64::from(n))]));
    measure("  and 22 pictures", 50, |n| commit(&mut store, 2_000 + n, &[with_previews(2_000 + u64::from(n))]));
    measure("reading 10 due", 200, |_| drop(store.outbox_due(crate::fixture::NIGHT, 10).unwrap()));
}

fn commit(store: &mut Store, number: u32, pictures: &[Arc<Evidence>]) {
    let lead = lead(number, 1);
    let items = [item(PushOp::Create, &lead)];
    let report = store.commit(&Change { leads: &[lead], outbox: &items, evidence: pictures, desk_state: Some("{}"), notes: &[] }).unwrap();
    assert_eq!(report.evidence_left_out, 0);
}

fn measure(what: &str, times: u32, mut work: impl FnMut(u32)) {
    let clock = SystemClock::new();
    let mut ms: Vec<f64> = (0..times)
        .map(|n| {
            let start = clock.monotonic();
            work(n);
            clock.monotonic().saturating_sub(start).as_secs_f64() * 1e3
        })
        .collect();
    ms.sort_by(f64::total_cmp);
    let mean = ms.iter().sum::<f64>() / f64::from(times);
    println!("{what}: mean {mean:.2} ms, median {:.2}, p99 {:.2}; {:.0}/s", ms[ms.len() / 2], ms[ms.len() * 99 / 100], 1e3 / mean);
}
