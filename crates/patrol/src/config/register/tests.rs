use super::*;
use crate::config::{CameraPlan, Plan, SourcePlan, TransportPlan};
use encoding_rs::GB18030;
use proptest::prelude::*;

const HEADING: &str = "id,source,modality,name,longitude,latitude,code,indoor,interior";

/// What a pipeline with this register gives: its plan and everything said.
fn load(csv: &[u8]) -> Result<(Plan, Problems), Problems> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("cameras.csv"), csv).expect("written");
    std::fs::write(folder.path().join("password"), "geheim").expect("written");
    let text = "cameras = \"cameras.csv\"\n[weather]\nair_c = 0.0\n[[detector]]\nname = \"warm\"\nkind = \"hot-spot\"\n[register]\nthermal = [\"warm\"]\n";
    Plan::from_text(text, folder.path(), Problems::default())
}

fn loaded(csv: &str) -> (Plan, Problems) {
    load(csv.as_bytes()).unwrap_or_else(|problems| panic!("{problems}"))
}

fn ids(plan: &Plan) -> Vec<&str> {
    plan.cameras.iter().map(|plan| plan.camera.id.as_str()).collect()
}

#[test]
fn a_row_is_a_camera() {
    let csv = "id,code,name,source,sub_source,user,secret,transport,modality,longitude,latitude,height_m,heading_deg,tilt_deg,hfov_deg,\
               site_class,address,street,grid,look_every_s,look_limit_s,rescan_every_s,detectors\n\
               a,31010100001310000021,地下通道,rtsp://10.0.0.1/101,rtsp://10.0.0.1/102,admin,file:password,udp,热成像,121.5,31.2,4.5,90,25,60,\
               00203,\"人民路, 1号口\",豫园街道,310101002014007,2,6,30,warm\n";
    let (plan, problems) = loaded(csv);
    assert_eq!(problems.to_string(), "");
    let CameraPlan { camera, source, detectors, source_place, .. } = &plan.cameras[0];
    assert_eq!((camera.name.as_str(), camera.address.as_deref()), ("地下通道", Some("人民路, 1号口")));
    assert_eq!((camera.site_prior, camera.promise.look_every.as_secs(), camera.promise.rescan_every.as_secs()), (1.0, 2, 30));
    assert!(camera.view.is_some() && camera.position.is_some() && detectors == &[0]);
    assert_eq!(source_place, "cameras.csv:2 source");
    let SourcePlan::Rtsp(rtsp) = source else { panic!("{source:?}") };
    assert_eq!((rtsp.url.as_str(), rtsp.transport), ("rtsp://10.0.0.1/102", TransportPlan::Udp), "looks read the sub-stream");
    assert_eq!(rtsp.main_url.as_deref(), Some("rtsp://10.0.0.1/101"), "evidence is the main stream's");
    assert_eq!((rtsp.user.as_deref(), rtsp.password.as_ref().map(crate::config::secret::Secret::reveal)), (Some("admin"), Some("geheim")));
    assert!(!format!("{:?}", plan.cameras[0]).contains("geheim"));
}

#[test]
fn chinese_headings_in_the_coding_of_chinese_spreadsheets() {
    let csv = "成像方式,编号,名称,取流地址,经度(度),纬度(度),国标编码,是否室内,安装高度(米),俯角,水平视场角,备注\r\n\
               热像,a,人民路,rtsp://10.0.0.1/1,121.5,31.2,31010100001310000021,否,6,25,60,新装\r\n\
               热像,b,河南路,rtsp://10.0.0.2/1,121.5,三十一,31010100001310000022,否,6,25,60,\r\n";
    let (gb, _, _) = GB18030.encode(csv);
    for (bytes, is_gb) in [(gb.to_vec(), true), (format!("\u{FEFF}{csv}").into_bytes(), false)] {
        let (plan, problems) = load(&bytes).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(plan.cameras[0].camera.name, "人民路");
        assert_eq!(ids(&plan), ["a"]);
        let told = problems.to_string();
        assert!(told.contains("camera left out: cameras.csv:3 纬度(度) (latitude): found \"三十一\""), "{told}");
        assert!(told.contains("the columns \"备注\""), "{told}");
        assert_eq!(told.contains("read as GB18030"), is_gb, "{told}");
    }
}

#[test]
fn bad_rows_are_named_by_their_lines_and_the_others_run() {
    let csv = format!(
        "# first\n\n{HEADING}\n# second\na,rtsp://10.0.0.1/1,thermal,\"two\nlines\",,,,,\nb,rtsp://10.0.0.2/1,thermal,,,,,,\n\n\
         c,rtsp://10.0.0.3/1,warm,,abc,31,310101,perhaps,\n,rtsp://10.0.0.4/1,thermal,,,,,,\nd,rtsp://10.0.0.5/1,thermal\n\
         e,rtsp://10.0.0.6/1,thermal,,,,,,\n,,,,,,,,\nb,rtsp://10.0.0.7/1,thermal,,,,,,\nB,rtsp://10.0.0.8/1,thermal,,,,,,\n"
    );
    let (plan, problems) = loaded(&csv);
    assert_eq!(ids(&plan), ["b", "e"]);
    let told: Vec<String> = problems.0.iter().map(|problem| format!("{}: {}", problem.place, problem.found)).collect();
    assert_eq!(
        told,
        [
            "cameras.csv:5: a cell of 2 lines and 9 bytes",
            "cameras.csv:9 modality: \"warm\"",
            "cameras.csv:9 longitude: \"abc\"",
            "cameras.csv:9 indoor: \"perhaps\"",
            "cameras.csv:9 code: \"310101\"",
            "cameras.csv:10 id: \"\"",
            "cameras.csv:11: 3 cells",
            "cameras.csv:14 id: \"b\" for the second time, first in cameras.csv:7",
            "cameras.csv:15 id: \"B\", which differs from \"b\" in cameras.csv:7 only in case",
        ]
    );
    assert!(
        problems.0.iter().all(|problem| problem.camera == Some(crate::config::problem::CameraFate::LeftOut) && !problem.wanted.is_empty())
    );
    let left_out: Vec<(Option<&str>, bool)> = plan.left_out.iter().map(|row| (row.id.as_deref(), row.misshapen)).collect();
    assert_eq!(left_out, [(Some("a"), true), (Some("c"), false), (None, false), (Some("d"), true), (Some("b"), false), (Some("B"), false)]);
    assert!(plan.left_out_in_words().is_some_and(|words| words.starts_with("6 of 8 cameras are left out")));
}

#[test]
fn the_same_code_or_stream_twice_is_said() {
    let code = "31010100001310000021";
    let csv = format!(
        "{HEADING}\na,rtsp://10.0.0.1/1,thermal,,,,{code},,\nb,rtsp://10.0.0.2/1,thermal,,,,{code},,\nc,rtsp://10.0.0.1/1,thermal,,,,,,\n\
         d,rtsp://10.0.0.4/1,thermal,,,,3.10101E+19,,\ne,rtsp://10.0.0.5/1,thermal,,31.2,121.5,,,\nf,rtsp://10.0.0.6/1,thermal,,0,0,,,\n"
    );
    let (plan, problems) = loaded(&csv);
    assert_eq!(ids(&plan), ["a", "c", "f"], "one stream in two rows is a warning");
    let told = problems.to_string();
    for words in [
        "for the second time, first in cameras.csv:2",
        "the same stream as cameras.csv:2",
        "a spreadsheet made a number of it",
        "are the two exchanged?",
        "counted as unknown",
    ] {
        assert!(told.contains(words), "{words}\n{told}");
    }
    assert_eq!(plan.cameras[2].camera.position, None);
}

#[test]
fn indoors_only_public_shelters_are_watched_and_forbidden_places_never() {
    let verdict = |row: &str| {
        let csv =
            format!("id,source,modality,indoor,interior,site_class\nz,rtsp://10.0.0.9/1,thermal,,,\na,rtsp://10.0.0.1/1,thermal,{row}\n");
        let (plan, problems) = loaded(&csv);
        (plan.cameras.len() == 2, plan.left_out.first().is_some_and(|row| row.forbidden), problems.to_string())
    };
    for row in ["no,,", "否,,", ",,", "yes,underpass,", "是,地下通道,", "yes,,00203", "no,Underpass,", "室外,,00602"] {
        assert_eq!(verdict(row), (true, false, String::new()), "{row}");
    }
    for row in ["yes,guest-room,", "是,客房,", "no,toilet,", ",公共卫生间,00203", "yes,changing_room,", "yes,女更衣室,", "yes,学生宿舍,"]
    {
        let (runs, forbidden, told) = verdict(row);
        assert!(!runs && forbidden && told.contains("Order 799, article 8"), "{row}: {told}");
    }
    for row in ["yes,,", "yes,office,", "yes,,00201", ",大堂,"] {
        let (runs, forbidden, told) = verdict(row);
        assert!(!runs && !forbidden && told.contains("underpass"), "{row}: {told}");
    }
}

#[test]
fn nothing_said_of_a_row_shows_a_password() {
    let heading = "id,source,modality,user,secret,longitude,latitude,transport";
    for row in [
        "a,rtsp://admin:geheim@10.0.0.1/1,thermal,,,,,",
        "a,rtsp://10.0.0.1/1,thermal,admin,geheim,,,",
        "a,rtsp://10.0.0.1/1,thermal,admin,pass:geheim,,,",
        "a,rtsp://10.0.0.1/1,thermal,admin:geheim,,,,",
        // A cell too few in front: everything stands one column to the left.
        "a,thermal,rtsp://admin:geheim@10.0.0.1/1,,,rtsp://admin:geheim@10.0.0.1/1,1,rtsp://admin:geheim@10.0.0.1/1",
        "a,10.0.0.1,thermal,,,,,rtsp://admin:geheim@10.0.0.1/1",
        "\"a,rtsp://admin:geheim@10.0.0.1/1,thermal,,,,,\nb,rtsp://admin:geheim@10.0.0.1/1,thermal,,,,,",
    ] {
        let (plan, problems) = loaded(&format!("{heading}\nz,rtsp://10.0.0.9/1,thermal,,,,,\n{row}\n"));
        assert_eq!(ids(&plan), ["z"], "{row}");
        let told = format!("{problems} {problems:?} {:?}", plan.left_out);
        assert!(!told.contains("geheim") && !told.contains("admin"), "{row}: {told}");
    }
    for heading in ["id,source,modality,password", "编号,取流地址,成像方式,密码"] {
        let told = load(format!("{heading}\na,rtsp://10.0.0.1/1,thermal,geheim\n").as_bytes()).err().expect("refused").to_string();
        assert!(told.contains("a column of passwords") && !told.contains("geheim"), "{told}");
    }
}

#[test]
fn a_file_of_which_nothing_can_be_read_is_an_error() {
    let long = [HEADING.as_bytes(), &vec![b'\n'; 64 << 20]].concat();
    let told = |csv: &[u8]| load(csv).err().expect("refused").to_string();
    for (csv, words) in [
        (&b""[..], "an empty file"),
        (b"PK\x03\x04", "a workbook"),
        (b"id,source\na,b\n", "the columns modality"),
        (b"id,source,modality,ID\n", "the column id twice"),
        (b"hello\n", "no known column"),
        (HEADING.as_bytes(), "no camera"),
        (&long, "longer than 64 MiB"),
    ] {
        let told = told(csv);
        assert!(told.contains("error: cameras") && told.contains(words), "{words}: {told}");
    }
    // Other spreadsheets' separators are no reason.
    let (plan, _) = loaded("id;source;modality\na;rtsp://10.0.0.1/1;thermal\n");
    assert_eq!(ids(&plan), ["a"]);
    let (plan, _) = loaded("id\tsource\tmodality\ra\trtsp://10.0.0.1/1\tthermal\r");
    assert_eq!(ids(&plan), ["a"]);
}

#[test]
fn a_large_register_is_read_in_one_go() {
    let rows: Vec<String> = (0..20_000).map(|n| format!("c{n},rtsp://10.{}.{}.1/1,thermal,,,,,,", n / 256, n % 256)).collect();
    let (plan, problems) = loaded(&format!("{HEADING}\n{}\n", rows.join("\n")));
    assert_eq!((plan.cameras.len(), problems.0.len()), (20_000, 0));
}

proptest! {
    #[test]
    fn no_bytes_whatever_break_it(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut problems = Problems::default();
        let read = parse(&bytes, "cameras.csv".to_owned(), Path::new("."), &RegisterTable::default(), &mut problems);
        prop_assert!(read.is_some() || problems.are_fatal());
    }

    /// Rows of nonsense below a good heading, of the characters that CSV, addresses and spreadsheets are made of.
    #[test]
    fn no_rows_whatever_break_it(rows in "([a-z0-9,\"\n\r#:;@/. 编号:]|rtsp://|env:|yes,|thermal,){0,200}") {
        let heading = "id,source,modality,user,secret,sub_source,looks_from,transport,longitude,latitude,height_m,tilt_deg,hfov_deg,interior";
        let csv = format!("{heading}\n{rows}");
        if let Ok((plan, _)) = load(csv.as_bytes()) {
            prop_assert!(!plan.cameras.is_empty());
        }
    }

    /// A row's line is where its first cell stands.
    #[test]
    fn lines_are_counted_right(gaps in prop::collection::vec("(\n|\r\n|# x\n|#,\"\r\n){0,3}", 1..8)) {
        let mut text = "id,source,modality\r\n".to_owned();
        for (index, gap) in gaps.iter().enumerate() {
            let end = if index % 2 == 0 { "\n" } else { "\r\n" };
            text.extend([gap.as_str(), &format!("c{index},rtsp://10.0.0.{index}/1,thermal"), end]);
        }
        let mut problems = Problems::default();
        let register = parse(text.as_bytes(), "r".to_owned(), Path::new("."), &RegisterTable::default(), &mut problems).expect("rows");
        prop_assert_eq!(register.rows.len(), gaps.len());
        for row in &register.rows {
            let line = text.split('\n').nth(row.line as usize - 1).expect("a line");
            let start = format!("{},", row.id.as_deref().expect("an id"));
            prop_assert!(line.starts_with(&start), "{} {:?}", row.line, line);
        }
    }
}
