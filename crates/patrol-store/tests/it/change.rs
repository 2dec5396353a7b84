//! A change is stored whole, once, and is there after a restart.

use crate::fixture::{NIGHT, clock, evidence, item, lead};
use patrol_core::desk::PushOp;
use patrol_core::{LeadId, LeadState};
use patrol_store::{Change, ErrorKind, LeadFilter, OutboxCounts, Store, StoreReader};
use std::time::Duration;

#[test]
fn everything_of_a_change_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (lead, picture) = (lead(1, 1), evidence(1));
    {
        let mut store = Store::open(dir.path(), clock()).unwrap();
        let change = Change {
            leads: std::slice::from_ref(&lead),
            outbox: &[item(PushOp::Create, &lead)],
            evidence: std::slice::from_ref(&picture),
            desk_state: Some(r#"{"next":2}"#),
            notes: &[("tracks/underpass-1".into(), "41".into())],
        };
        let report = store.commit(&change).unwrap();
        assert_eq!((report.evidence_written, report.evidence_left_out, report.shrunk), (3, 0, false), "{report:?}");
        store.put_note("other", "1").unwrap();
    }
    let store = Store::open(dir.path(), clock()).unwrap();
    assert_eq!(store.load_leads().unwrap(), std::slice::from_ref(&lead));
    assert_eq!(store.load_desk_state().unwrap().as_deref(), Some(r#"{"next":2}"#));
    assert_eq!(store.note("tracks/underpass-1").unwrap().as_deref(), Some("41"));
    assert_eq!(store.note("other").unwrap().as_deref(), Some("1"));
    assert_eq!(store.note("absent").unwrap(), None);
    let due = store.outbox_due(NIGHT, 10).unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!((due[0].item.op, &due[0].item.lead), (PushOp::Create, &lead));
    assert_eq!(store.reader().unwrap().evidence(&picture.crop.sha256).unwrap().as_deref(), Some(&*picture.crop.bytes));
}

#[test]
fn a_change_committed_again_is_stored_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), clock()).unwrap();
    let (first, second) = (lead(1, 1), lead(1, 2));
    let (create, update) = (item(PushOp::Create, &first), item(PushOp::Update, &second));
    let (pictures, items) = ([evidence(1)], [create, update]);
    let change = Change { leads: &[second], outbox: &items, evidence: &pictures, ..Change::default() };
    let once = store.commit(&change).unwrap();
    let again = store.commit(&change).unwrap();
    assert_eq!((once.repeated, again.repeated, again.evidence_present, again.evidence_written), (0, 2, 3, 0));
    assert_eq!(once.sequences, again.sequences);

    // Also when it has been sent in between.
    assert!(store.outbox_delivered(once.sequences[0], NIGHT, Some("C-1")).unwrap());
    assert_eq!(store.commit(&change).unwrap().repeated, 2);
    assert_eq!(store.outbox_counts().unwrap(), OutboxCounts { waiting: 1, delivered: 1, ..OutboxCounts::default() });
}

#[test]
fn a_second_process_is_refused_and_a_reader_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), clock()).unwrap();
    let error = Store::open(dir.path(), clock()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("is in use by another process"), "{error}");
    let reader = StoreReader::open(dir.path()).unwrap();
    let lead = lead(1, 1);
    store.commit(&Change { leads: std::slice::from_ref(&lead), ..Change::default() }).unwrap();
    assert_eq!(reader.lead(&lead.id).unwrap(), Some(lead.clone()));
    drop(store);
    drop(reader);
    // Without any writer, as an export does it.
    assert_eq!(StoreReader::open(dir.path()).unwrap().lead(&lead.id).unwrap(), Some(lead));
    Store::open(dir.path(), clock()).unwrap();
}

#[test]
fn leads_are_listed_newest_first_and_long_closed_ones_are_not_loaded_for_the_desk() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let mut store = Store::open(dir.path(), clock.clone()).unwrap();
    let mut leads = [lead(1, 1), lead(2, 1), lead(3, 1)];
    leads[1].state = LeadState::Closed;
    store.commit(&Change { leads: &leads, ..Change::default() }).unwrap();

    let reader = store.reader().unwrap();
    let ids = |open_only, since, limit| -> Vec<String> {
        reader.leads(&LeadFilter { open_only, since, limit }).unwrap().into_iter().map(|lead| lead.id.0[12..].to_owned()).collect()
    };
    assert_eq!(ids(false, None, 10), ["000003", "000002", "000001"]);
    assert_eq!(ids(true, None, 10), ["000003", "000001"]);
    assert_eq!(ids(false, Some(leads[1].made_at), 10), ["000003", "000002"]);
    assert_eq!(ids(false, None, 1), ["000003"]);
    assert_eq!(reader.lead(&LeadId("XL-20260105-999999".into())).unwrap(), None);

    clock.advance(Duration::from_secs(31 * crate::fixture::DAY_S));
    let loaded: Vec<_> = store.load_leads().unwrap().into_iter().map(|lead| lead.id).collect();
    assert_eq!(loaded, [leads[0].id.clone(), leads[2].id.clone()]);
    assert_eq!(reader.lead(&leads[1].id).unwrap().unwrap().state, LeadState::Closed);
}

#[test]
fn a_lead_that_could_not_be_read_again_is_not_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), clock()).unwrap();
    let mut lead = lead(1, 1);
    lead.score.value = f32::NAN;
    let error = store.commit(&Change { leads: &[lead], ..Change::default() }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Bug);
    assert!(error.to_string().contains("lead XL-20260105-000001"), "{error}");
    assert_eq!(store.load_leads().unwrap(), []);
}
