//! The source of rows: files, or anything that can be read, row by row and with a limit to what a row may hold.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll},
};

use csv_async::{AsyncReader, AsyncReaderBuilder, ByteRecord, Terminator};
use tokio::io::{AsyncRead, ReadBuf};

use super::{ImportError, Kind, header::Header, row::Row};

/// Bytes of a read.
const BUFFER: usize = 64 << 10;
/// The longest header and the longest row, in bytes.
const MAX_HEADER: u64 = 64 << 10;
const MAX_ROW: u64 = 4 << 20;

/// A CSV file, or what arrives like one.
pub struct Source<'a> {
    /// What messages call it: `urls.csv`.
    pub name: String,
    /// Its length in bytes, if it is known.
    pub bytes: Option<u64>,
    /// Its content.
    pub content: Box<dyn AsyncRead + Send + Unpin + 'a>,
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// Opens files, and the CSV files of folders, which are not searched deeper.
///
/// # Errors
/// Names the path that cannot be opened, and the folder that has no CSV file.
pub async fn sources_from_paths(paths: &[PathBuf]) -> Result<Vec<Source<'static>>, ImportError> {
    let mut sources = Vec::new();
    for path in paths {
        if tokio::fs::metadata(path).await.map_err(|error| unusable(path, &error))?.is_dir() {
            for file in csv_files(path).await? {
                sources.push(open(&file).await?);
            }
        } else {
            sources.push(open(path).await?);
        }
    }
    Ok(sources)
}

async fn csv_files(folder: &Path) -> Result<Vec<PathBuf>, ImportError> {
    let listed = async {
        let mut entries = tokio::fs::read_dir(folder).await?;
        let mut files = Vec::new();
        while let Some(entry) = entries.next_entry().await? {
            let path = entry.path();
            let is_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
            if is_csv && tokio::fs::metadata(&path).await?.is_file() {
                files.push(path);
            }
        }
        Ok(files)
    };
    let mut files = listed.await.map_err(|error: io::Error| unusable(folder, &error))?;
    if files.is_empty() {
        let name = folder.display().to_string();
        return Err(ImportError::File { name, why: "holds no file whose name ends in .csv".to_owned() });
    }
    files.sort();
    Ok(files)
}

async fn open(path: &Path) -> Result<Source<'static>, ImportError> {
    let opened = async {
        let file = tokio::fs::File::open(path).await?;
        let about = file.metadata().await?;
        let bytes = about.is_file().then_some(about.len());
        Ok((file, bytes))
    };
    let (file, bytes) = opened.await.map_err(|error: io::Error| unusable(path, &error))?;
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    Ok(Source { name, bytes, content: Box::new(file) })
}

fn unusable(path: &Path, error: &io::Error) -> ImportError {
    ImportError::File { name: path.display().to_string(), why: error.to_string() }
}

/// A source whose header has been read.
pub(super) struct File<'a> {
    /// What messages call it.
    pub(super) name: String,
    /// Its columns.
    pub(super) header: Header,
    reader: AsyncReader<Metered<'a>>,
    record: ByteRecord,
}

impl<'a> File<'a> {
    /// Reads the header of `source`.
    pub(super) async fn open(source: Source<'a>, only: Option<Kind>) -> Result<Self, ImportError> {
        let Source { name, content, .. } = source;
        // CR, LF and CRLF each end a row.
        let mut reader = AsyncReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .terminator(Terminator::CRLF)
            .buffer_capacity(BUFFER)
            .create_reader(Metered::new(content));
        let mut record = ByteRecord::new();
        let header = match reader.read_byte_record(&mut record).await {
            Ok(true) => Header::parse(&record),
            Ok(false) => Err("is empty; expected a header and rows".to_owned()),
            Err(error) => Err(unreadable(&error)),
        };
        let header = header.and_then(|header| match only {
            Some(only) if only != header.kind => {
                Err(format!("its header is that of {}; expected {}", header.kind.name(), only.name()))
            }
            _ => Ok(header),
        });
        match header {
            Ok(header) => Ok(Self { name, header, reader, record }),
            Err(why) => Err(ImportError::File { name, why }),
        }
    }

    /// The next row; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Row<'_>>, ImportError> {
        loop {
            let metered = self.reader.get_mut();
            (metered.since_row, metered.longest) = (0, MAX_ROW);
            match self.reader.read_byte_record(&mut self.record).await {
                Ok(true) if self.is_blank() => {}
                Ok(true) => break,
                Ok(false) => return Ok(None),
                Err(error) => return Err(ImportError::File { name: self.name.clone(), why: unreadable(&error) }),
            }
        }
        let is_cut_off = self.reader.get_ref().ended_within_quotes();
        Ok(Some(Row { header: &self.header, record: &self.record, line: self.line(), is_cut_off }))
    }

    /// The line on which the row just read begins. Counted back from its end, as blank lines may stand before it. The
    /// reader's own count knows no CR.
    fn line(&self) -> u64 {
        let metered = self.reader.get_ref();
        let inside: usize = self.record.iter().map(|field| breaks(b' ', field).count()).sum();
        let end = u64::from(!metered.ended_within_line());
        (1 + metered.breaks_before(self.reader.position().byte())).saturating_sub(inside as u64 + end)
    }

    /// Whether the line just read holds nothing, which is no row.
    fn is_blank(&self) -> bool {
        self.record.len() == 1 && self.record[0].is_empty()
    }

    /// Bytes read since this was last asked.
    pub(super) fn take_bytes_read(&mut self) -> u64 {
        std::mem::take(&mut self.reader.get_mut().read)
    }
}

fn unreadable(error: &csv_async::Error) -> String {
    match error.kind() {
        csv_async::ErrorKind::Io(cause) => format!("cannot be read: {cause}"),
        _ => format!("cannot be read: {error}"),
    }
}

/// Counts what passes, and ends a row that goes on for too long: a quotation mark that is never closed would otherwise
/// take the rest of the file into memory.
struct Metered<'a> {
    content: Box<dyn AsyncRead + Send + Unpin + 'a>,
    read: u64,
    since_row: u64,
    /// Bytes that the header or row being read may have.
    longest: u64,
    odd_quotes: bool,
    last: u8,
    ended: bool,
    /// Bytes of the content before the last read, and in it.
    start: u64,
    latest: u64,
    /// Line breaks before the last read, and where those of the last read are within it.
    passed: u64,
    breaks: Vec<usize>,
}

/// Where lines end in `bytes`, which follow the byte `last`: at LF, or at CR with any LF after it.
fn breaks(last: u8, bytes: &[u8]) -> impl Iterator<Item = usize> {
    let before = std::iter::once(last).chain(bytes.iter().copied());
    let pairs = before.zip(bytes.iter().copied()).enumerate();
    pairs.filter(|(_, (last, byte))| *byte == b'\r' || (*byte == b'\n' && *last != b'\r')).map(|(at, _)| at)
}

impl<'a> Metered<'a> {
    fn new(content: Box<dyn AsyncRead + Send + Unpin + 'a>) -> Self {
        let (longest, last) = (MAX_HEADER, b'\n');
        let (read, since_row, start, latest, passed) = (0, 0, 0, 0, 0);
        let (odd_quotes, ended, breaks) = (false, false, Vec::new());
        Self { content, read, since_row, longest, odd_quotes, last, ended, start, latest, passed, breaks }
    }

    /// Line breaks before this byte of the content, which is in the last read or at its end.
    fn breaks_before(&self, byte: u64) -> u64 {
        self.passed + self.breaks.partition_point(|at| self.start + (*at as u64) < byte) as u64
    }

    /// Whether the content has ended with quotation marks open. A closed file ends its last line, or at least its last
    /// quotation.
    fn ended_within_quotes(&self) -> bool {
        self.odd_quotes && self.ended_within_line()
    }

    fn ended_within_line(&self) -> bool {
        self.ended && !matches!(self.last, b'\n' | b'\r')
    }
}

impl AsyncRead for Metered<'_> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.since_row > this.longest {
            let limit = if this.longest == MAX_HEADER {
                "its header is longer than 64 KiB"
            } else {
                "a row is longer than 4 MiB"
            };
            return Poll::Ready(Err(io::Error::other(format!("{limit}; is a quotation mark missing?"))));
        }
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut this.content).poll_read(context, buffer))?;
        let new = &buffer.filled()[before..];
        // The reader asks for more when it has used up what it has.
        this.passed += this.breaks.len() as u64;
        this.start += this.latest;
        this.latest = new.len() as u64;
        this.breaks.clear();
        this.breaks.extend(breaks(this.last, new));
        this.read += new.len() as u64;
        this.since_row += new.len() as u64;
        this.odd_quotes ^= new.iter().filter(|byte| **byte == b'"').count() % 2 == 1;
        match new.last() {
            Some(last) => this.last = *last,
            None => this.ended = buffer.remaining() > 0 || this.ended,
        }
        Poll::Ready(Ok(()))
    }
}
