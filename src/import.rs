//! CSV files into the store: users, links, events, codes once used, and sums of clicks whose events may be gone.
//!
//! A file's kind is told by its header, so files may come in any order; they are taken in the order users, codes,
//! links, rollups, events. They are read as streams: what is held in memory is one chunk of rows, however long the
//! files are. All work happens in a transaction that the caller began and commits: all or nothing is not to commit.
//!
//! A user's row whose username, or failing that e-mail address, is taken stands for the user who has it, and links and
//! events of the row's id go to that user. Rows that are there already are found and left as they are, so importing the
//! same files again changes nothing, but for rows that nothing identifies: links without an id and a code, and events
//! without an id, are new each time.
//!
//! Leaves out: progress bars, and what is printed.

pub mod from;
mod header;
mod records;
mod report;
mod row;
mod source;
mod values;

pub use self::{
    header::Kind,
    report::{BadRow, FileReport, GeneratedCode, Reason, Report},
    source::{Source, sources_from_paths},
};
use self::{records::Record, source::File};
use crate::{
    db::{StoreError, Tx},
    domain::{Invalid, TargetPolicy, clock::Timestamp},
    stats::exported::ExportedRollup,
    store::bulk::{Bulk, BulkCode, BulkEvent, BulkUrl, BulkUser},
};

/// Rows of a chunk at most.
const CHUNK_ROWS: usize = 5_000;
/// Bytes of the rows of a chunk, after which it is full.
const CHUNK_BYTES: usize = 4 << 20;

/// How to import.
#[derive(Debug, Clone)]
pub struct Options {
    /// Keeps the good rows if there are bad ones; otherwise bad rows are an error.
    pub skip_bad: bool,
    /// Takes only files of this kind.
    pub only: Option<Kind>,
    /// Keeps the ids of links and users that events name from being given out again, even if these are gone. Right
    /// for the data of a whole database; not for what any client may send, who could use up the ids.
    pub reserve_named: bool,
    /// The rules for targets of links.
    pub targets: TargetPolicy,
    /// The authority that the upload was sent to, which no link may lead to either.
    pub asked: Option<String>,
    /// Whether links may come disabled; otherwise rows with a reason are bad ones.
    pub may_disable: bool,
    /// The moment of the import: when a row was created that does not say so.
    pub now: Timestamp,
}

/// Is told how an import gets on.
pub trait Progress: Send + Sync {
    /// A file is begun.
    fn file(&self, _name: &str, _kind: Kind) {}

    /// So many more bytes have been read, and so many more rows settled.
    fn advance(&self, _bytes: u64, _rows: u64) {}
}

/// Without progress.
impl Progress for () {}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Rows were refused; the report names them.
    #[error("{} of {} rows were refused", .0.refused(), .0.rows())]
    Refused(Box<Report>),
    /// A file cannot be used.
    #[error("{name}: {why}")]
    File {
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Imports `sources` within `tx`. After an error the transaction can only be undone; that is also how nothing is kept
/// if rows were refused.
///
/// # Errors
/// [`ImportError::Refused`] if rows were refused, unless these are to be skipped.
pub async fn import(
    tx: &mut Tx,
    sources: Vec<Source<'_>>,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Report, ImportError> {
    let mut files = Vec::with_capacity(sources.len());
    for source in sources {
        files.push(File::open(source, options.only).await?);
    }
    // Rows that bring their own ids come first: the ids given to the others would be in their way.
    files.sort_by_key(|file| (file.header.kind, !file.header.has("id")));
    let mut bulk = Bulk::open(tx).await?;
    let mut report = Report::default();
    for file in files {
        progress.file(&file.name, file.header.kind);
        report.begin(&file.name, file.header.kind);
        let mut import = FileImport { bulk: &mut bulk, report: &mut report, options, progress };
        match file.header.kind {
            Kind::Users => import.run::<BulkUser>(file).await?,
            Kind::Codes => import.run::<BulkCode>(file).await?,
            Kind::Urls => import.run::<BulkUrl>(file).await?,
            Kind::Rollups => import.run::<ExportedRollup>(file).await?,
            Kind::Events => import.run::<BulkEvent>(file).await?,
        }
    }
    if report.refused() > 0 && !options.skip_bad {
        return Err(ImportError::Refused(Box::new(report)));
    }
    bulk.close(options.reserve_named).await?;
    Ok(report)
}

/// The import of one file.
struct FileImport<'i, 't> {
    bulk: &'i mut Bulk<'t>,
    report: &'i mut Report,
    options: &'i Options,
    progress: &'i dyn Progress,
}

/// Rows on their way into the store.
struct Chunk<T> {
    rows: Vec<T>,
    lines: Vec<u64>,
    bytes: usize,
    /// Rows of the file in this chunk, those included that could not be read.
    read: u64,
}

impl FileImport<'_, '_> {
    async fn run<T: Record>(&mut self, mut file: File<'_>) -> Result<(), ImportError> {
        let mut chunk = Chunk::new();
        while let Some(row) = file.next().await? {
            chunk.read += 1;
            chunk.bytes += row.bytes();
            let (kept, bad) = match row.complete().and_then(|()| T::read(&row, self.options)) {
                Ok(record) => (Some(record), None),
                Err(bad) => (T::left_out(&row), Some(bad)),
            };
            if let Some(bad) = bad {
                self.report.refuse(row.line(), bad.field, bad.why);
            }
            if let Some(record) = kept {
                chunk.rows.push(record);
                chunk.lines.push(row.line());
            }
            if chunk.is_full() {
                self.store(&mut chunk, file.take_bytes_read()).await?;
            }
        }
        self.store(&mut chunk, file.take_bytes_read()).await
    }

    async fn store<T: Record>(&mut self, chunk: &mut Chunk<T>, bytes: u64) -> Result<(), ImportError> {
        if !chunk.rows.is_empty() {
            let mut outcome = T::store(self.bulk, &chunk.rows).await?;
            outcome.refused.sort_by_key(|refusal| refusal.nth);
            for refusal in &outcome.refused {
                let line = chunk.lines.get(refusal.nth).copied().unwrap_or_default();
                let Invalid(why) = refusal.why;
                self.report.refuse(line, refusal.field, why.into());
            }
            for (nth, code) in outcome.generated {
                self.report.generate(chunk.lines.get(nth).copied().unwrap_or_default(), code);
            }
            self.report.settle(outcome.created, outcome.found);
        }
        self.report.read(chunk.read);
        self.progress.advance(bytes, chunk.read);
        *chunk = Chunk::new();
        Ok(())
    }
}

impl<T> Chunk<T> {
    fn new() -> Self {
        Self { rows: Vec::new(), lines: Vec::new(), bytes: 0, read: 0 }
    }

    fn is_full(&self) -> bool {
        self.read >= CHUNK_ROWS as u64 || self.bytes >= CHUNK_BYTES
    }
}
