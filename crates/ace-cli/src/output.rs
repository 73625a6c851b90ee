//! Printing: results on standard output, everything else on standard error, colour only where it is wanted.

use std::{
    fmt::Display,
    io::{ErrorKind, IsTerminal, Write as _},
};

use serde::Serialize;
use zeroize::Zeroizing;

use crate::{args::Color, failure::Failure};

/// How this run prints. The painting methods are for standard output unless [`on_stderr`](Self::on_stderr) was called.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    color: bool,
    color_on_stderr: bool,
    /// How often `-v` was given.
    pub verbose: u8,
}

impl Output {
    /// Decides about colour once.
    pub fn new(color: Color, verbose: u8) -> Self {
        let wanted = |is_terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            // https://no-color.org: set and not empty.
            Color::Auto => {
                is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        };
        Self {
            color: wanted(std::io::stdout().is_terminal()),
            color_on_stderr: wanted(std::io::stderr().is_terminal()),
            verbose,
        }
    }

    /// The same for what goes to standard error.
    pub fn on_stderr(self) -> Self {
        Self {
            color: self.color_on_stderr,
            ..self
        }
    }

    /// Whether the painting methods paint.
    pub fn is_coloured(self) -> bool {
        self.color
    }

    fn paint(self, text: &str, code: &str) -> String {
        if self.color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// For headings.
    pub fn bold(self, text: &str) -> String {
        self.paint(text, "1")
    }

    /// For asides.
    pub fn dim(self, text: &str) -> String {
        self.paint(text, "2")
    }

    /// For what went as it should.
    pub fn good(self, text: &str) -> String {
        self.paint(text, "32")
    }

    /// For what was refused.
    pub fn bad(self, text: &str) -> String {
        self.paint(text, "31")
    }
}

/// Writes a line to standard output.
pub fn print(text: impl Display) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    written.map_err(|error| match error.kind() {
        // Whoever read it, such as `head`, has enough.
        ErrorKind::BrokenPipe => Failure::unread(),
        _ => Failure::setup(format!(
            "cannot write to standard output: {error}; make room or send it elsewhere"
        )),
    })
}

/// Writes one JSON value to standard output. Bundles hold keys, so the text is wiped.
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::setup)?;
    print(&*Zeroizing::new(text))
}

/// Makes the file that standard output was sent to, if it is one, readable by its owner alone.
pub fn keep_private() -> Result<(), Failure> {
    #[cfg(unix)]
    {
        use std::os::{fd::AsFd, unix::fs::PermissionsExt};
        let narrow = || {
            let file = std::fs::File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
            let metadata = file.metadata()?;
            let mode = metadata.permissions().mode();
            if metadata.is_file() && mode & 0o077 != 0 {
                file.set_permissions(std::fs::Permissions::from_mode(mode & 0o700))?;
            }
            Ok::<_, std::io::Error>(())
        };
        narrow().map_err(|error| {
            Failure::setup(format!(
                "cannot make the file of standard output private: {error}; send it to a file of your own"
            ))
        })?;
    }
    Ok(())
}

/// Columns as wide as their widest cell.
pub fn print_table<const N: usize>(
    output: &Output,
    heads: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Result<(), Failure> {
    let rows: Vec<_> = rows.collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heads[column].len()]).max().unwrap_or(0)
    });
    let line = |cells: [&str; N]| {
        let cells = cells.iter().zip(widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    print(output.bold(&line(heads)))?;
    for row in &rows {
        print(line(std::array::from_fn(|column| row[column].as_str())))?;
    }
    Ok(())
}
