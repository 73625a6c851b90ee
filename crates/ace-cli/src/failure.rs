//! What a person reads when a command did not do its work: one sentence, and what to do.

use std::{fmt, path::Path, process::ExitCode};

/// A failed command.
#[derive(Debug)]
pub struct Failure {
    /// `None` if nobody is there to read it.
    message: Option<String>,
    code: u8,
}

impl Failure {
    /// The other side refused, or did not answer: exit code 1.
    pub fn refused(message: impl fmt::Display) -> Self {
        Self {
            message: Some(message.to_string()),
            code: 1,
        }
    }

    /// The command, a file or the machine is not as it must be: exit code 2.
    pub fn setup(message: impl fmt::Display) -> Self {
        Self {
            message: Some(message.to_string()),
            code: 2,
        }
    }

    /// The reader of standard output went away: exit code 1, without a word.
    pub fn unread() -> Self {
        Self {
            message: None,
            code: 1,
        }
    }

    /// A file that could not be read or written, with what to do about it.
    pub fn file(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let advice = match error.kind() {
            ErrorKind::NotFound => "check the path",
            ErrorKind::PermissionDenied => "check who owns it and its mode",
            ErrorKind::AlreadyExists => "choose another path or move it away",
            ErrorKind::StorageFull => "make room on the disk",
            ErrorKind::IsADirectory => "name a file, not a folder",
            ErrorKind::InvalidData => "expected text",
            _ => "choose another path",
        };
        Self::setup(format!(
            "cannot {doing} {}: {error}; {advice}",
            path.display()
        ))
    }

    /// The same failure with another sentence made of its own.
    pub fn reworded(self, words: impl FnOnce(&str) -> String) -> Self {
        Self {
            message: self.message.as_deref().map(words),
            ..self
        }
    }

    /// Prints the sentence to standard error, on one line.
    pub fn report(self) -> ExitCode {
        if let Some(message) = &self.message {
            let lines: Vec<_> = message.lines().map(str::trim).collect();
            eprintln!("ace: {}", lines.join(" "));
        }
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.as_deref().unwrap_or_default())
    }
}
