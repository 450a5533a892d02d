//! Out: what commands print, folded at the width of the terminal where people read it.
//!
//! Invariant: where no terminal is, and with `--json`, not a byte is added or left out. Who stops reading, as `head` does,
//! misses nothing: what comes after is dropped.

use super::{Global, width};
use std::io::{ErrorKind, Result, Stderr, Stdout, Write};

/// A stream of this program, line by line.
pub(super) struct Out<W: Write> {
    to: W,
    /// Columns; `None` = as long as a line is.
    width: Option<usize>,
    /// Colours belong there.
    pub(super) paints: bool,
    /// The beginning of a line that has no end yet.
    begun: Vec<u8>,
}

impl Global {
    /// Where data goes.
    pub(super) fn out(&self) -> Out<Stdout> {
        let to = std::io::stdout();
        Out { width: self.width(&to), paints: self.paints(&to), begun: Vec::new(), to }
    }

    /// Where talk goes.
    pub(super) fn err(&self) -> Out<Stderr> {
        let to = std::io::stderr();
        Out { width: self.width(&to), paints: self.paints(&to), begun: Vec::new(), to }
    }
}

impl<W: Write> Out<W> {
    /// As it is written, wherever it goes: what is copied from a terminal, such as JSON or a diff.
    pub(super) fn whole(mut self) -> Self {
        self.width = None;
        self
    }

    /// Columns of its lines; `None` = as long as they are.
    pub(super) fn width(&self) -> Option<usize> {
        self.width
    }

    fn lines(&mut self, width: usize, bytes: &[u8]) -> Result<()> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.end_line(width)?;
            }
        }
        Ok(())
    }

    fn end_line(&mut self, width: usize) -> Result<()> {
        let line = std::mem::take(&mut self.begun);
        let text = String::from_utf8_lossy(&line);
        let bare = text.strip_suffix('\n').unwrap_or(&text);
        self.to.write_all(width::folded(bare, width).as_bytes())?;
        self.to.write_all(&line[line.len() - usize::from(line.ends_with(b"\n"))..])
    }
}

/// Whether it was read or not.
fn read_or_not(written: Result<()>) -> Result<()> {
    written.or_else(|error| if error.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}

impl<W: Write> Write for Out<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let written = match self.width {
            Some(width) => self.lines(width, bytes),
            None => self.to.write_all(bytes),
        };
        read_or_not(written).map(|()| bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        if let Some(width) = self.width.filter(|_| !self.begun.is_empty()) {
            read_or_not(self.end_line(width))?;
        }
        read_or_not(self.to.flush())
    }
}

impl<W: Write> Drop for Out<W> {
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(width: Option<usize>, parts: &[&str]) -> String {
        let mut to = Vec::new();
        let mut out = Out { to: &mut to, width, paints: false, begun: Vec::new() };
        parts.iter().for_each(|part| out.write_all(part.as_bytes()).unwrap());
        drop(out);
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn lines_are_folded_however_they_come_and_only_at_a_terminal() {
        let long = "word ".repeat(10);
        let parts = ["a\nb ", "c\n", long.trim_end(), "\nend"];
        assert_eq!(written(None, &parts), parts.concat());
        let folded = written(Some(40), &parts);
        assert!(folded.starts_with("a\nb c\nword ") && folded.ends_with("\nend"), "{folded:?}");
        assert_eq!(folded.lines().count(), 5, "{folded:?}");
    }

    #[test]
    fn who_stops_reading_is_no_error() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> Result<usize> {
                Err(ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> Result<()> {
                Err(ErrorKind::BrokenPipe.into())
            }
        }
        for width in [None, Some(40)] {
            let mut out = Out { to: Gone, width, paints: false, begun: Vec::new() };
            assert!(writeln!(out, "a line").is_ok() && out.flush().is_ok());
        }
    }
}
