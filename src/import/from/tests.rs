//! The project's own samples, a file of each format that each service writes, and files of any content.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

fn samples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/import/from")
}

/// What a file holds, a line for each item.
fn told(path: &Path, service: &Service, options: &FileOptions) -> Result<Vec<String>, String> {
    let reading = reading(path, service, options)?;
    let mut lines = Vec::new();
    read(path, service, options, &reading, &mut |row| {
        match row.items {
            Err(fault) => lines.push(format!("{}: {} {}", row.nth, fault.column, fault.why)),
            Ok(items) => lines.extend(items.iter().map(|item| format!("{}: {item:?}", row.nth))),
        }
        ControlFlow::Continue(())
    })?;
    lines.extend(reading.decisions());
    Ok(lines)
}

/// Each sample with the service that it is recognised as.
const SAMPLES: [(&str, &str); 27] = [
    ("shlink.csv", "shlink"),
    ("shlink-importer.csv", "shlink"),
    ("shlink-visits.csv", "shlink"),
    ("shlink-rest.json", "shlink"),
    ("yourls.sql", "yourls"),
    ("kutt-links.csv", "kutt"),
    ("kutt-visits.csv", "kutt"),
    ("kutt-api.json", "kutt"),
    ("bitly.json", "bitly"),
    ("bitly-clicks.json", "bitly"),
    ("bitly.csv", "bitly"),
    ("dub.csv", "dub"),
    ("dub-import.csv", "dub"),
    ("rebrandly.json", "rebrandly"),
    ("shortio.json", "shortio"),
    ("shortio.tsv", "shortio"),
    ("chhoto.sql", "chhoto"),
    ("chhoto.json", "chhoto"),
    ("polr.sql", "polr"),
    ("tinyurl.json", "tinyurl"),
    ("sink.json", "sink"),
    ("golink.jsonl", "golink"),
    ("golink-stats.csv", "golink"),
    ("tinycc.csv", "tinycc"),
    ("generic.csv", "csv"),
    ("generic-semicolon.csv", "csv"),
    ("generic-windows-1252.csv", "csv"),
];

fn options_for(file: &str) -> FileOptions {
    FileOptions {
        encoding: file.contains("1252").then_some(encoding_rs::WINDOWS_1252),
        timezone: Some(chrono_tz::Tz::Europe__Berlin),
        date_order: file.contains("semicolon").then_some(DateOrder::Dmy),
        ..FileOptions::default()
    }
}

#[test]
fn each_sample_is_recognised_and_read() {
    for (file, name) in SAMPLES {
        let (path, options) = (samples().join(file), options_for(file));
        let recognised = recognise(&path, &options).unwrap().expect(file);
        assert_eq!(recognised.name, name, "{file}");
        let lines = told(&path, recognised, &options).unwrap();
        insta::with_settings!({prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!(file, lines.join("\n"));
        });
    }
}

#[test]
fn what_the_file_leaves_open_is_asked_for() {
    let csv = service("csv").unwrap();
    let told = |file: &str| told(&samples().join(file), csv, &FileOptions::default()).unwrap_err();
    assert!(told("generic-windows-1252.csv").contains("line 2 is not UTF-8; --encoding windows-1252"));
    assert!(told("generic-semicolon.csv").contains("--date-order"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_sqlite_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("urls.sqlite");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let dump = std::fs::read_to_string(samples().join("chhoto.sql")).unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(dump)).execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    let chhoto = service("chhoto").unwrap();
    let read = tokio::task::spawn_blocking(move || told(&path, chhoto, &FileOptions::default()));
    let from_dump = told(&samples().join("chhoto.sql"), chhoto, &FileOptions::default()).unwrap();
    assert_eq!(read.await.unwrap().unwrap(), from_dump);
}

#[test]
fn a_string_with_a_line_that_ends_in_a_semicolon_is_one_value() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump.sql");
    let long = "x;\n".repeat(200_000);
    let dump = format!(
        "CREATE TABLE `yourls_url` (`keyword` text, `url` text, `clicks` int);\n\
         INSERT INTO `yourls_url` VALUES ('a','https://x.example/{long}',1),('b','https://x.example/b',2);\n"
    );
    std::fs::write(&path, dump).unwrap();
    let lines = told(&path, service("yourls").unwrap(), &FileOptions::default()).unwrap();
    assert_eq!(lines.len(), 2);
    assert!(lines[1].contains("https://x.example/b"));
}

/// Samples with pieces cut out, doubled or replaced.
fn damaged() -> impl Strategy<Value = (usize, Vec<u8>)> {
    let edit = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 0..6));
    (0..SAMPLES.len(), prop::collection::vec(edit, 0..4)).prop_map(|(nth, edits)| {
        let mut bytes = std::fs::read(samples().join(SAMPLES[nth].0)).unwrap();
        for (from, length, new) in edits {
            let from = from.index(bytes.len() + 1);
            let length = length.index(40).min(bytes.len() - from);
            bytes.splice(from..from + length, new);
        }
        (nth, bytes)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_file_is_read_or_refused((nth, bytes) in damaged()) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, &bytes).unwrap();
        let service = service(SAMPLES[nth].1).unwrap();
        let _ = recognise(file.path(), &FileOptions::default());
        if let Err(why) = told(file.path(), service, &FileOptions::default()) {
            // A fault of the file says where it is, or what is open.
            prop_assert!(["row", "line", "dates", "counts", "columns", "header"].iter().any(|word| why.contains(word)), "{why}");
        }
    }
}
