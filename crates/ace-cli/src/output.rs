//! Printing for people: colour only where it is wanted, the log on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::args::Color;

/// How this run prints.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    color: bool,
    /// How often `-v` was given.
    pub verbose: u8,
}

impl Output {
    /// Decides about colour once.
    pub fn new(color: Color, verbose: u8) -> Self {
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
            }
        };
        Self { color, verbose }
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

/// The engines' log on standard error: what servers decide, everything with `-vv`, or what `ACE_LOG` says.
pub fn start_logging(serves: bool, verbose: u8) {
    let default = match (serves, verbose) {
        (_, 2..) => "debug",
        (true, _) => "info",
        (false, _) => "error",
    };
    let filter = EnvFilter::try_from_env("ACE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
