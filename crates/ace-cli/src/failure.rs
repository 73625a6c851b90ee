//! What a person reads when a command did not do its work: one sentence, and what to do.

use std::{fmt, path::Path, process::ExitCode};

/// A failed command.
#[derive(Debug)]
pub struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// The other side refused, or did not answer: exit code 1.
    pub fn refused(message: impl fmt::Display) -> Self {
        Self {
            message: message.to_string(),
            code: 1,
        }
    }

    /// The command, a file or the machine is not as it must be: exit code 2.
    pub fn setup(message: impl fmt::Display) -> Self {
        Self {
            message: message.to_string(),
            code: 2,
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
            _ => "see the message of the system",
        };
        Self::setup(format!(
            "cannot {doing} {}: {error}; {advice}",
            path.display()
        ))
    }

    /// Prints the sentence to standard error.
    pub fn report(self) -> ExitCode {
        eprintln!("ace: {}", self.message);
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
