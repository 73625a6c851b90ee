//! What the resource server guards, and what it says about it.

use core::net::SocketAddrV4;

use ace_rs::{Event, EventKind, MethodSet, Outcome, Request, Resource, Resources, Response};
use ace_wire::coap::{Code, content_format::TEXT_PLAIN};
use board::console;

use crate::meter::Meter;

const LIST: [Resource; 2] = [
    Resource { observable: true, ..Resource::new("/temp", MethodSet::GET) },
    Resource::new("/lock", MethodSet(MethodSet::GET.0 | MethodSet::PUT.0)),
];

/// A thermometer and a lock.
#[derive(Debug)]
pub struct Things {
    open: bool,
}

impl Things {
    /// The lock is closed.
    pub const fn new() -> Self {
        Self { open: false }
    }
}

impl Default for Things {
    fn default() -> Self {
        Self::new()
    }
}

impl Resources for Things {
    fn list(&self) -> &[Resource] {
        &LIST
    }

    fn handle(&mut self, request: &Request<'_>, response: &mut Response<'_>) -> Code {
        match (request.path, request.method, request.payload) {
            ("/temp", Code::GET, _) => {
                response.content_format = Some(TEXT_PLAIN);
                response.write(b"21.5 C");
                Code::CONTENT
            }
            ("/lock", Code::GET, _) => {
                response.content_format = Some(TEXT_PLAIN);
                response.write(if self.open { b"open" } else { b"closed" });
                Code::CONTENT
            }
            ("/lock", Code::PUT, b"open" | b"closed") => {
                self.open = request.payload == b"open";
                console::line(&["lock ", if self.open { "open" } else { "closed" }]);
                Code::CHANGED
            }
            _ => Code::BAD_REQUEST,
        }
    }
}

/// A line for each decision, with what it took.
pub fn tell(event: &Event<SocketAddrV4>, meter: &mut Meter) {
    let what = match &event.kind {
        EventKind::TokenAccepted => "upload",
        EventKind::TokenUpdated => "update",
        EventKind::TokenRefused(_) => "refused",
        EventKind::Request { outcome: Outcome::Handled, .. } => "access",
        EventKind::Request { outcome: Outcome::Unauthorized, .. } => "hints",
        EventKind::Request { outcome: Outcome::Challenged, .. } => "challenge",
        EventKind::Request { .. } => "request",
        EventKind::Dropped(_) => "dropped",
        // Told beside the request that they came with.
        _ => return,
    };
    meter.told(what);
    if let EventKind::Request { method, path, answer, .. } = &event.kind {
        let names = [method.name(), core::str::from_utf8(path.as_bytes()).ok(), answer.name()];
        let [method, path, answer] = names.map(|name| name.unwrap_or("?"));
        console::line(&["request ", method, " ", path, " ", answer]);
    }
}
