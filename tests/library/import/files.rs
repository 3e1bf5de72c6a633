//! Files as they are met: in any order, with any line ends, whole or not.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use buoy::import::{ImportError, Source, sources_from_paths};
use tokio::io::{AsyncRead, ReadBuf};

use crate::{
    common::{database::Kind, on_both_databases},
    import::world::{World, fixtures, lenient, strict, text},
};

on_both_databases!(
    a_folder_is_imported_in_any_order_and_twice,
    one_bad_row_keeps_everything_out,
    a_chunk_of_any_size_is_settled_alike,
);

const USERS: &str = "id,username,email\n1,ann,ann@x.example\n";

async fn a_folder_is_imported_in_any_order_and_twice(kind: Kind) {
    let world = World::new(kind).await;
    let report = world.furnish().await;
    assert_eq!((report.rows(), report.created(), report.refused()), (13, 13, 0));
    let before = world.content().await;
    let paths = ["events.csv", "retired_codes.csv", "urls.csv", "users.csv"].map(|name| fixtures().join(name));
    let sources = sources_from_paths(&paths).await.unwrap();
    let report = world.import(sources, &strict()).await.unwrap();
    assert_eq!((report.rows(), report.created(), report.refused()), (13, 0, 0));
    assert_eq!(world.content().await, before);
}

async fn one_bad_row_keeps_everything_out(kind: Kind) {
    let world = World::new(kind).await;
    let urls = "user_id,original_url\n1,https://x.example\n1,nonsense\n2,https://x.example\n";
    let sources = vec![text("urls.csv", urls), text("users.csv", USERS)];
    let Err(ImportError::Refused(report)) = world.import(sources, &strict()).await else { panic!("it went through") };
    let lines: Vec<String> = report.bad_rows.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 2, "every bad row is named: {lines:?}");
    assert!(lines[0].starts_with("urls.csv:3: original_url: "), "{lines:?}");
    assert_eq!(lines[1], "urls.csv:4: user_id: names no user");
    let content = world.content().await;
    assert!(content.users.is_empty() && content.urls.is_empty());
    // The same store goes on.
    assert_eq!(world.counts(&[USERS, urls]).await, [(1, 0, 0), (1, 0, 2)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn line_ends_and_marks_do_not_matter() {
    let world = World::new(Kind::Sqlite).await;
    let crlf = USERS.replace('\n', "\r\n");
    let cr = USERS.replace('\n', "\r");
    let mixed = USERS.replacen('\n', "\r", 1).replace('\n', "\r\n\r\n\n\r");
    let marked = format!("\u{feff}{crlf}");
    let open_ended = USERS.trim_end().to_owned();
    let quoted = "\"id\",\"username\",\"email\"\r\n\"1\",\"ann\",\"ann@x.example\"\r\n\r\n".to_owned();
    let wide = "email,colour,username,id\nann@x.example,blue,ann,1\n".to_owned();
    world.counts(&[USERS]).await;
    for file in [crlf, cr, mixed, marked, open_ended, quoted, wide] {
        assert_eq!(world.counts(&[&file]).await, [(0, 1, 0)], "{file:?}");
        let slow = Source { name: "slow.csv".to_owned(), bytes: None, content: Box::new(OneByOne(file.as_bytes())) };
        let report = world.import(vec![slow], &strict()).await.unwrap();
        assert_eq!(report.rows(), 1, "{file:?}, byte by byte");
    }
    assert_eq!(world.content().await.users.len(), 1);
}

/// Hands out one byte at a time, as a slow network might.
struct OneByOne<'a>(&'a [u8]);

impl AsyncRead for OneByOne<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        if let Some((first, rest)) = self.0.split_first() {
            buffer.put_slice(&[*first]);
            self.0 = rest;
        }
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_are_counted_as_editors_do() {
    let world = World::new(Kind::Sqlite).await;
    let rows = "url_id,event_type,details\n1,click,\"{\n\n}\"\n0,click,{}\n\n\n0,click,\"{\n}\"\n0,click,{}";
    for file in [rows.to_owned(), rows.replace('\n', "\r\n"), rows.replace('\n', "\r")] {
        let lines: Vec<String> = world.bad_rows(&[&file]).await;
        let lines: Vec<&str> = lines.iter().filter_map(|line| line.split(':').nth(1)).collect();
        assert_eq!(lines, ["5", "8", "10"], "{file:?}");
    }
    // Longer than what is read at a time, with another end to each line.
    let mut file = "url_id,event_type\n".to_owned();
    for i in 0..30_000 {
        file.push_str(["0,click\r", "0,click\r\n", "0,click\n"][i % 3]);
    }
    let slow = |content| Source { name: "slow.csv".to_owned(), bytes: None, content };
    for source in [text("0.csv", &file), slow(Box::new(OneByOne(file.as_bytes())))] {
        let report = world.import(vec![source], &lenient()).await.unwrap();
        assert_eq!((report.rows(), report.refused()), (30_000, 30_000));
        let lines: Vec<u64> = report.bad_rows.iter().map(|row| row.line).collect();
        assert_eq!(lines, (2..1_002).collect::<Vec<_>>());
    }
    let open_ended = "url_id,event_type\r1,click\r1,click\r0,click";
    assert_eq!(world.bad_rows(&[open_ended]).await[0].split(':').nth(1), Some("4"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_cut_off_within_a_row_loses_that_row_only() {
    let world = World::new(Kind::Sqlite).await;
    let file = "id,url_id,user_id,event_type,timestamp,details\n\
                1,1,,click,2025-01-01 00:00:00,{}\n\
                2,1,,click,2025-01-01 00:00:00,\"{\"\"reason\"\": \"\"expired\"\"}\"\n";
    let second = file[..file.len() - 1].rfind('\n').unwrap() + 1;
    // The last byte is the line end, and the one before closes the quotation: what lacks only the former is whole.
    // What ends right after the last comma cannot be told from a row with nothing in its last field.
    let last_field = second + file[second..].rfind(",\"").unwrap() + 1;
    for end in (second + 1..file.len() - 1).filter(|end| *end != last_field) {
        let report = world.import(vec![text("cut.csv", &file[..end])], &lenient()).await.unwrap();
        assert_eq!((report.rows(), report.refused()), (2, 1), "{:?}", &file[second..end]);
        assert!(report.bad_rows[0].to_string().starts_with("cut.csv:3: "));
    }
    assert_eq!(world.content().await.events.len(), 1);
    assert_eq!(world.counts(&[&file[..file.len() - 1]]).await, [(1, 1, 0)]);
    let quoted = "user_id,original_url,title\n1,https://x.example,\"a tit";
    assert_eq!(world.bad_rows(&[USERS, quoted]).await, ["1.csv:2: is cut off: the file ends within quotation marks"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn utf_16_is_refused_by_name() {
    let world = World::new(Kind::Sqlite).await;
    for bytes in ["username,email\r\n", "\u{feff}username,email\n"].map(|file| file.encode_utf16().collect::<Vec<_>>())
    {
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            let bytes: Vec<u8> = bytes.iter().copied().flat_map(order).collect();
            let source = Source { name: "x.csv".to_owned(), bytes: None, content: Box::new(&*bytes) };
            let error = world.import(vec![source], &lenient()).await.unwrap_err().to_string();
            assert_eq!(error, "x.csv: is in UTF-16: save it as UTF-8 (in Excel as CSV UTF-8)");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_import_file_is_named() {
    let world = World::new(Kind::Sqlite).await;
    for (content, expected) in [
        ("", "x.csv: is empty; expected a header and rows"),
        ("id,username\n", "x.csv: its header lacks the column email, which users need"),
        (
            "username;email\nann;ann@x.example\n",
            "x.csv: its columns are separated by semicolons: separate them by commas",
        ),
        ("username\temail\r\n", "x.csv: its columns are separated by tabs: separate them by commas"),
        ("username|email\r", "x.csv: its columns are separated by vertical bars: separate them by commas"),
        (
            "sep=;\nusername;email\n",
            "x.csv: begins with the line sep= of a spreadsheet: remove it, and separate columns",
        ),
        ("SEP=,\r\nusername,email\r\n", "x.csv: begins with the line sep= of a spreadsheet"),
        ("colour,shape\n", "x.csv: its header is of no known kind; expected username,email"),
    ] {
        let error = world.import(vec![text("x.csv", content)], &lenient()).await.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let folder = world.database.folder();
    let missing = sources_from_paths(&[folder.join("missing")]).await.unwrap_err().to_string();
    assert!(missing.contains("missing: "), "{missing}");
    let deep = folder.join("deep");
    std::fs::create_dir_all(deep.join("er")).unwrap();
    std::fs::write(deep.join("er/users.csv"), USERS).unwrap();
    std::fs::write(deep.join("notes.txt"), "no table").unwrap();
    let none = sources_from_paths(std::slice::from_ref(&deep)).await.unwrap_err().to_string();
    assert!(none.ends_with("holds no file whose name ends in .csv"), "{none}");
    std::fs::write(deep.join("USERS.CSV"), USERS).unwrap();
    let sources = sources_from_paths(&[deep]).await.unwrap();
    assert_eq!(sources.iter().map(|source| source.name.as_str()).collect::<Vec<_>>(), ["USERS.CSV"]);
    assert_eq!(sources[0].bytes, Some(USERS.len() as u64));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_has_a_limit() {
    let world = World::new(Kind::Sqlite).await;
    let endless = format!("username,email\nann,\"{}", "x@x.example\n".repeat(1_000_000));
    let error = world.import(vec![text("x.csv", &endless)], &lenient()).await.unwrap_err().to_string();
    assert_eq!(error, "x.csv: cannot be read: a row is longer than 4 MiB; is a quotation mark missing?");
}

async fn a_chunk_of_any_size_is_settled_alike(kind: Kind) {
    let world = World::new(kind).await;
    let mut users = "id,username,email\n".to_owned();
    let mut urls = "id,user_id,short_code,original_url\n".to_owned();
    // A whole chunk, and two rows, of which the first stands for a user of the chunk before.
    for i in 1..=5_002 {
        // Each third user is the one before under another id.
        let name = if i % 3 == 0 { i - 1 } else { i };
        users.push_str(&format!("{i},u{name},u{name}@x.example\n"));
        urls.push_str(&format!("{i},{i},c{i},https://x.example/{i}\n"));
    }
    assert_eq!(world.counts(&[&users, &urls]).await, [(3_335, 1_667, 0), (5_002, 0, 0)]);
    let content = world.content().await;
    for url in &content.urls {
        let row = url.id.0;
        assert_eq!(url.user_id.0, if row % 3 == 0 { row - 1 } else { row });
    }
    assert_eq!(world.counts(&[&users, &urls]).await, [(0, 5_002, 0), (0, 5_002, 0)]);
    assert_eq!(world.content().await, content);
}
