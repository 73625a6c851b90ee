//! The log on standard error: one line for each event, `TIME LEVEL what happened key=value …`.

use std::{fmt, time::SystemTime};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use crate::{failure::Failure, output::Output};

/// The variable that says what is logged, such as `debug` or `ace_net=debug,info`.
const VARIABLE: &str = "ACE_LOG";

/// Starts the log: what servers decide, more with each `-v`, or what `ACE_LOG` says.
pub fn start(serves: bool, output: &Output) -> Result<(), Failure> {
    let default = match (serves, output.verbose) {
        (true, 0) => "info",
        (true, 1) | (false, 2) => "debug",
        (_, 2..) => "trace",
        (false, _) => "error",
    };
    let filter = match std::env::var(VARIABLE) {
        Err(_) => EnvFilter::new(default),
        Ok(directives) => EnvFilter::try_new(&directives).map_err(|error| {
            Failure::setup(format!(
                "{VARIABLE}={directives}: {error}; use error, warn, info, debug or trace"
            ))
        })?,
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(output.on_stderr().is_coloured())
        .event_format(Lines(output.on_stderr()))
        .init();
    Ok(())
}

/// One event, one line, whatever is in its values.
#[derive(Debug)]
struct Lines(Output);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let level = *event.metadata().level();
        let name = format!("{level:5}");
        let name = match level {
            Level::ERROR | Level::WARN => self.0.bad(&name),
            Level::INFO => self.0.good(&name),
            _ => self.0.dim(&name),
        };
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Fields { message, rest } = fields;
        writeln!(writer, "{} {name} {message}{rest}", self.0.dim(&time))
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    rest: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let shown = format!("{value:?}");
        // An optional value is shown as the value, or not at all.
        let value = match shown
            .strip_prefix("Some(")
            .and_then(|v| v.strip_suffix(')'))
        {
            Some(inner) => match inner.trim_matches('"') {
                unquoted if unquoted.chars().all(is_plain) && !unquoted.is_empty() => unquoted,
                _ => inner,
            },
            None if shown == "None" => return,
            None => &shown,
        };
        self.add(field.name(), value);
    }
}

impl Fields {
    fn add(&mut self, name: &str, value: &str) {
        if name == "message" {
            self.message = one_line(value);
            return;
        }
        self.rest += &if is_quoted(value) || (!value.is_empty() && value.chars().all(is_plain)) {
            format!(" {name}={}", one_line(value))
        } else {
            format!(" {name}={value:?}")
        };
    }
}

/// Whether it can stand in a value without quotes.
fn is_plain(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\')
}

/// Whether it is one string as `Debug` shows it.
fn is_quoted(text: &str) -> bool {
    let inside = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    inside.is_some_and(|inside| {
        let mut is_escaped = false;
        inside.chars().all(|c| {
            let ends_it = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            !ends_it
        }) && !is_escaped
    })
}

/// Control characters escaped: a line of the log begins where the program begins one.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(values: &[&str]) -> String {
        let mut fields = Fields::default();
        for value in values {
            fields.add("key", value);
        }
        fields.rest
    }

    #[test]
    fn values_are_plain_where_they_can_be_and_never_break_the_line() {
        assert_eq!(
            shown(&["alice", "4.01", ""]),
            " key=alice key=4.01 key=\"\""
        );
        assert_eq!(
            shown(&["GET /temp", "a=b"]),
            " key=\"GET /temp\" key=\"a=b\""
        );
        assert_eq!(shown(&["\"quoted before\""]), " key=\"quoted before\"");
        assert_eq!(shown(&["\"a\" b=\"c\""]), " key=\"\\\"a\\\" b=\\\"c\\\"\"");
        assert_eq!(
            shown(&["x\n2026 INFO token issued"]),
            " key=\"x\\n2026 INFO token issued\""
        );
        assert_eq!(one_line("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
    }
}
