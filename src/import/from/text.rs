//! Bytes into UTF-8 text, piece by piece: byte-order marks go, other encodings are decoded, and bytes that are none of
//! the encoding end the reading with the line on which they stand.

use std::io::{self, Read};

use encoding_rs::{DecoderResult, Encoding, UTF_8};

/// Bytes of a read.
const PIECE: usize = 8 << 10;
/// Bytes from the beginning of one row to the beginning of the next at most.
pub(super) const MAX_ROW: usize = 16 << 20;

/// A reader whose bytes are UTF-8.
pub(super) struct Decoded<R> {
    source: R,
    decoder: encoding_rs::Decoder,
    encoding: &'static Encoding,
    raw: Vec<u8>,
    text: Vec<u8>,
    taken: usize,
    line: u64,
    ended: bool,
    /// Bytes since a row was last completed.
    since_row: usize,
}

impl<R: Read> Decoded<R> {
    /// Text of this encoding; without one, UTF-8 or what a byte-order mark says.
    pub(super) fn new(source: R, encoding: Option<&'static Encoding>) -> Self {
        let encoding = encoding.unwrap_or(UTF_8);
        Self {
            source,
            // A byte-order mark is obeyed and taken off.
            decoder: encoding.new_decoder(),
            encoding,
            raw: Vec::new(),
            text: Vec::new(),
            taken: 0,
            line: 1,
            ended: false,
            since_row: 0,
        }
    }

    /// Notes that a row is complete: the next one may be as long again.
    pub(super) fn row_done(&mut self) {
        self.since_row = 0;
    }

    fn fill(&mut self) -> io::Result<()> {
        self.taken = 0;
        self.text.clear();
        while self.text.is_empty() && !self.ended {
            let mut piece = [0; PIECE];
            let read = self.source.read(&mut piece)?;
            self.ended = read == 0;
            self.raw.clear();
            self.raw.extend_from_slice(&piece[..read]);
            self.text.resize(self.decoder.max_utf8_buffer_length(read).unwrap_or(4 * PIECE), 0);
            let (result, _, written) =
                self.decoder.decode_to_utf8_without_replacement(&self.raw, &mut self.text, self.ended);
            self.text.truncate(written);
            if let DecoderResult::Malformed(..) = result {
                // All text before the fault was written out.
                let line = self.line + lines(&self.text);
                let hint = if self.encoding == UTF_8 { "; --encoding windows-1252 names another encoding" } else { "" };
                let name = self.encoding.name();
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is not {name}{hint}")));
            }
            self.line += lines(&self.text);
        }
        Ok(())
    }
}

fn lines(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since_row > MAX_ROW {
            return Err(io::Error::other("a row is longer than 16 MiB; is a quotation mark missing?"));
        }
        if self.taken == self.text.len() {
            self.fill()?;
        }
        let rest = &self.text[self.taken..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.taken += length;
        self.since_row += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8], encoding: Option<&'static Encoding>) -> Result<String, String> {
        let mut text = String::new();
        let read = Decoded::new(bytes, encoding).read_to_string(&mut text);
        read.map(|_| text).map_err(|error| error.to_string())
    }

    #[test]
    fn marks_go_and_encodings_are_decoded() {
        assert_eq!(decode(b"\xef\xbb\xbfa\xc3\xb6", None).unwrap(), "aö");
        assert_eq!(decode(b"\xff\xfea\0\xf6\0", None).unwrap(), "aö");
        assert_eq!(decode(b"a\xf6\x80", Some(encoding_rs::WINDOWS_1252)).unwrap(), "aö€");
        assert_eq!(decode(b"", None).unwrap(), "");
    }

    #[test]
    fn the_first_line_of_another_encoding_is_named() {
        let mut bytes = b"a\nb\nc\xf6\n".to_vec();
        assert!(decode(&bytes, None).unwrap_err().starts_with("line 3 is not UTF-8; --encoding"));
        bytes = vec![b'\n'; 100_000];
        bytes.push(0xf6);
        assert!(decode(&bytes, None).unwrap_err().starts_with("line 100001 is not UTF-8"));
    }
}
