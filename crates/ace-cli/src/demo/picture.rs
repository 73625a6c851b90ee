//! The exchange as a picture that a person can follow.

use std::net::SocketAddr;

use super::Step;
use crate::output::Output;

/// Columns from the client's line to those of the authorization server and of the resource server.
const TO_AS: usize = 33;
const TO_RS: usize = 54;

/// Who takes part, and the heads of the columns.
pub fn head(output: &Output, as_address: SocketAddr, rs: SocketAddr) -> String {
    let columns = "          client                              AS                   RS     sent  back      ms";
    format!(
        "an authorization server on {as_address}, a resource server `thermo` on {rs}, and a client `alice`\n\n{}",
        output.bold(columns)
    )
}

/// Three lines about one step.
pub fn step(output: &Output, step: &Step, lock: &str) -> String {
    let (asks, to_as) = match step.name {
        "hints" | "access" => ("GET /temp", false),
        "token" => ("POST /token", true),
        "upload" => ("POST /authz-info", false),
        "denied" => ("PUT /led", false),
        "replay" => ("GET /temp, a copy", false),
        _ => ("GET /temp, late", false),
    };
    let lock = match step.name {
        "hints" | "upload" => String::new(),
        _ => format!(" ({lock})"),
    };
    let asks = format!("{asks}{lock}");
    let across = |words: &str, right| {
        if to_as {
            let gap = " ".repeat(TO_RS - TO_AS - 1);
            format!("{}|{gap}|", arrow(words, TO_AS, right))
        } else {
            format!("{}|", arrow(words, TO_RS, right))
        }
    };
    let (there, back) = (across(&asks, true), across(&step.code, false));
    let paint = if step.is_as_expected() {
        Output::good
    } else {
        Output::bad
    };
    format!(
        "{}   |{there}  {:4}\n          |{back}        {:4}  {:6.2}\n          {}",
        output.bold(&format!("{:7}", step.name)),
        step.request_bytes,
        step.response_bytes,
        step.ms,
        paint(*output, &format!("{}: {}", step.code, step.says)),
    )
}

/// A line of `width` characters from here to there with words on it.
fn arrow(words: &str, width: usize, right: bool) -> String {
    let rest = "-".repeat(width.saturating_sub(words.len() + 6));
    if right {
        format!("-- {words} {rest}->")
    } else {
        format!("<-{rest} {words} --")
    }
}
