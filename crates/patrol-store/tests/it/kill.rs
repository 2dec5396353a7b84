//! `kill -9` at any moment: what the store said is stored is there, once, and every change is whole.
//!
//! ```text
//! parent ── starts ──► child: this test binary with PATROL_STORE_KILL_DIR set
//!   │  ◄── "c lead revision", "d sequence" ── commits and delivers in a loop
//!   └── kill -9 after a random number of lines; reopens; compares
//! ```

use crate::fixture::{NIGHT, clock, evidence, item, lead};
use patrol_core::LeadId;
use patrol_core::desk::PushOp;
use patrol_store::{Change, Store};
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

const DIR: &str = "PATROL_STORE_KILL_DIR";
const KILLS: usize = 25;

/// Not a test of its own: the process that is killed.
#[test]
fn writer_that_is_killed() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let mut store = Store::open(Path::new(&dir), clock()).unwrap();
    let mut out = std::io::stdout();
    let mut number = store.load_leads().unwrap().len() as u32;
    loop {
        for revision in 1..=3 {
            let lead = lead(number, revision);
            let op = if revision == 1 { PushOp::Create } else { PushOp::Update };
            let (items, pictures) = ([item(op, &lead)], [evidence(u64::from(number))]);
            let desk = format!(r#"{{"lead":"{}","revision":{revision}}}"#, lead.id);
            store
                .commit(&Change {
                    leads: std::slice::from_ref(&lead),
                    outbox: &items,
                    evidence: &pictures,
                    desk_state: Some(&desk),
                    notes: &[],
                })
                .unwrap();
            writeln!(out, "c {} {revision}", lead.id).unwrap();
        }
        if number.is_multiple_of(2) {
            for row in store.outbox_due(NIGHT, 2).unwrap() {
                store.outbox_delivered(row.item.sequence, NIGHT, None).unwrap();
                writeln!(out, "d {}", row.item.sequence).unwrap();
            }
        }
        number += 1;
    }
}

#[test]
fn a_process_killed_anywhere_loses_nothing_it_had_stored() {
    let dir = tempfile::tempdir().unwrap();
    let seed = 20_260_105;
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let (mut committed, mut delivered) = (BTreeMap::<LeadId, u32>::new(), BTreeSet::<i64>::new());
    for round in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::writer_that_is_killed", "--nocapture", "--test-threads=1"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines_until_kill = random.random_range(1..40);
        let mut seen = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["c", id, revision] => drop(committed.insert(LeadId(id.into()), revision.parse().unwrap())),
                ["d", sequence] => drop(delivered.insert(sequence.parse().unwrap())),
                _ => continue,
            }
            seen += 1;
            if seen == lines_until_kill {
                // What it wrote until the signal reaches it is read on.
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(seen >= lines_until_kill, "round {round}: the writer ended by itself after {seen} lines");
        check_store(dir.path(), &committed, &delivered, round);
    }
}

fn check_store(dir: &Path, committed: &BTreeMap<LeadId, u32>, delivered: &BTreeSet<i64>, round: usize) {
    let store = Store::open(dir, clock()).unwrap();
    let leads: BTreeMap<LeadId, u32> = store.load_leads().unwrap().into_iter().map(|lead| (lead.id, lead.revision)).collect();
    for (id, revision) in committed {
        assert!(leads.get(id).is_some_and(|found| found >= revision), "round {round}: {id} revision {revision}, found {:?}", leads.get(id));
    }
    // Every revision of a stored lead has exactly one outbox row, and there is no row beyond.
    let database = rusqlite::Connection::open(dir.join("patrol.sqlite")).unwrap();
    let mut statement = database.prepare("SELECT lead, revision, sequence, state FROM outbox ORDER BY sequence").unwrap();
    let rows: Vec<(String, u32, i64, String)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap().map(Result::unwrap).collect();
    let mut of_lead: BTreeMap<LeadId, Vec<u32>> = BTreeMap::new();
    for (lead, revision, sequence, state) in &rows {
        of_lead.entry(LeadId(lead.clone())).or_default().push(*revision);
        assert!(!delivered.contains(sequence) || state == "delivered", "round {round}: {sequence} of {lead} is {state} after its delivery");
    }
    let expected: BTreeMap<LeadId, Vec<u32>> = leads.iter().map(|(id, revision)| (id.clone(), (1..=*revision).collect())).collect();
    assert_eq!(of_lead, expected, "round {round}");

    // The desk's state is of the same commit as the newest lead, and its pictures are whole.
    let (id, revision) = leads.last_key_value().unwrap();
    assert_eq!(store.load_desk_state().unwrap().unwrap(), format!(r#"{{"lead":"{id}","revision":{revision}}}"#), "round {round}");
    let reader = store.reader().unwrap();
    for id in leads.keys() {
        let number: u64 = id.0[12..].parse().unwrap();
        assert!(reader.evidence(&evidence(number).whole.sha256).unwrap().is_some(), "round {round}: {id}");
    }
}
