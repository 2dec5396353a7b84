//! SIGHUP: the register is read again while cameras run. Who is added sees, who is gone rings, a slip in a row blinds nobody, the others notice nothing.

use super::process::{Patrol, now_s, wait_for};
use super::record::{Record, name_of};
use super::script::{LOOK_EVERY_S, LOOK_LIMIT_S, config, written};
use patrol_sim::street::Street;
use std::path::Path;

const STAYS: usize = 0;
const GOES: usize = 1;
const BREAKS: usize = 2;
const COMES: usize = 3;
const IDS: [&str; 4] = ["stays", "goes", "breaks", "comes"];
const COLUMNS: [&str; 14] = [
    "id",
    "name",
    "source",
    "modality",
    "longitude",
    "latitude",
    "height_m",
    "heading_deg",
    "tilt_deg",
    "hfov_deg",
    "site_class",
    "look_every_s",
    "look_limit_s",
    "rescan_every_s",
];
/// A few seconds, with room for a busy machine.
const WELL_MAX_S: f64 = 60.0;
/// So long before and after the change.
const WATCHED_S: f64 = 4.0;
const SEES_WITHIN_S: f64 = 8.0;

/// The register's rows, as the street's own pipeline file has them.
struct Rows(Vec<Vec<String>>);

impl Rows {
    fn of(cameras: &[toml::Value]) -> Self {
        let row = |(camera, id): (&toml::Value, &str)| {
            let cell = |column: &&str| match *column {
                "id" => id.to_owned(),
                "name" => name_of(id),
                other => camera[other].as_str().map_or_else(|| camera[other].to_string(), str::to_owned),
            };
            COLUMNS.iter().map(cell).collect()
        };
        Self(cameras.iter().zip(IDS).map(row).collect())
    }

    fn write(&self, folder: &Path, which: &[usize]) {
        let rows = which.iter().map(|row| self.0[*row].join(",") + "\n");
        let text: String = std::iter::once(COLUMNS.join(",") + "\n").chain(rows).collect();
        std::fs::write(folder.join("cameras.csv"), text).expect("written");
    }

    fn cell(&mut self, row: usize, column: &str) -> &mut String {
        let place = COLUMNS.iter().position(|name| *name == column).expect("a column");
        &mut self.0[row][place]
    }
}

/// Runs with the first three cameras, then with the register changed; when that was, and what was left behind.
fn change_register(folder: &Path) -> (f64, Vec<String>, Record) {
    let config = config(IDS.len(), None);
    let street = Street::start(config.clone()).expect("a street");
    let mut file = written(&street, &config);
    let cameras = file.remove("camera").expect("cameras");
    let mut rows = Rows::of(cameras.as_array().expect("cameras"));
    file.insert("cameras".into(), "cameras.csv".into());
    file.insert("register".into(), toml::Table::from_iter([("thermal".to_owned(), toml::Value::from(vec!["hot-spot"]))]).into());
    rows.write(folder, &[STAYS, GOES, BREAKS]);
    let patrol = Patrol::start(folder, &toml::to_string(&file).expect("TOML"), &[]);
    let old = [IDS[STAYS], IDS[GOES], IDS[BREAKS]];
    let is_well = |id: &&str| patrol.sees(id) && !patrol.leads_at(id).is_empty();
    wait_for("three cameras see and have leads", WELL_MAX_S, || old.iter().all(is_well));
    pause(WATCHED_S);
    let leads = patrol.leads_at(IDS[GOES]);

    "8 m".clone_into(rows.cell(BREAKS, "height_m"));
    rows.write(folder, &[STAYS, BREAKS, COMES]);
    let changed_s = now_s();
    patrol.signal("HUP");
    wait_for("the new camera sees", WELL_MAX_S, || patrol.sees(IDS[COMES]));
    wait_for("the old camera is gone", WELL_MAX_S, || patrol.camera(IDS[GOES]).is_none());
    wait_for("its lead rings", WELL_MAX_S, || patrol.rings().iter().any(|ring| ring.kind == "camera-lost"));
    pause(WATCHED_S);
    (changed_s, leads, patrol.stop(folder))
}

fn pause(for_s: f64) {
    let until = now_s() + for_s;
    while now_s() < until {
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
}

#[test]
fn a_register_read_again_touches_only_what_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (changed_s, leads, record) = change_register(folder.path());
    assert!(record.ended_well, "{}", record.log);

    let added_s = record.looks(IDS[COMES]).first().expect("looks").end_s - changed_s;
    assert!(added_s <= SEES_WITHIN_S, "the added camera sees after {added_s:.1} s");
    record.check_pictures(IDS[COMES], COMES as u16);

    let rang = record.rang("camera-lost", IDS[GOES], changed_s).expect("a lead open at the removed camera rings");
    assert!(rang.lead.as_ref().is_some_and(|lead| leads.contains(lead)), "{rang:?}");
    let after = record.looks(IDS[GOES]).iter().filter(|look| look.captured_s > rang.at_s + LOOK_EVERY_S).count();
    assert_eq!(after, 0, "nobody looks through a camera that is gone");

    for (place, id) in [(STAYS, IDS[STAYS]), (BREAKS, IDS[BREAKS])] {
        record.check_pictures(id, place as u16);
        let blind_s = record.max_blind_s(id, record.started_s, record.stopped_s);
        let around = record.looks(id).iter().filter(|look| (look.captured_s - changed_s).abs() < WATCHED_S);
        let taken: Vec<f64> = around.map(|look| look.coded_s().expect("a code")).collect();
        let apart_s = taken.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
        println!("{id}: blind for {blind_s:.2} s at most, looks {apart_s:.2} s apart around the change");
        assert!(blind_s <= LOOK_LIMIT_S && apart_s <= 2.0 * LOOK_EVERY_S, "{id}: blind for {blind_s:.1} s, looks {apart_s:.1} s apart");
        assert_eq!(record.last_shown(id)["link"]["sessions"], 1, "{id} was not hung up on");
        assert!(record.rang("camera-lost", id, record.started_s).is_none());
    }
    let anew = record.log.lines().find(|line| line.contains("run: cameras were read anew")).expect("logged");
    for count in ["added=1", "removed=1", "changed=0", "unchanged=1", "kept=1"] {
        assert!(anew.contains(count), "{anew}");
    }
    let named = record.log.lines().find(|line| line.contains("cameras.csv") && line.contains("height_m")).expect("the bad cell is named");
    assert!(named.contains("8 m"), "{named}");
    println!("reload: the added camera sees after {added_s:.1} s, the removed one's lead rang after {:.1} s", rang.at_s - changed_s);
}
