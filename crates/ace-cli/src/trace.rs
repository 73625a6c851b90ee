//! The exchange message by message, as `-v` shows it: names, codes, sizes, decoded CBOR, never a key.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU8, AtomicU32, Ordering},
};

use ace_client::{Direction, Phase, Watched};
use ace_net::Seen;
use ace_wire::{
    coap::{Code, Message, Options, Type, content_format, option},
    diag::{Context, Diagnostic},
};

use crate::output::Output;

/// Prints what goes by on standard error.
#[derive(Debug)]
pub struct Trace {
    output: Output,
    as_peer: SocketAddr,
    rs: SocketAddr,
    number: AtomicU32,
    /// The phase of the message before.
    last: AtomicU8,
}

impl Trace {
    /// `as_peer` and `rs` get names in the lines.
    pub fn new(output: Output, as_peer: SocketAddr, rs: SocketAddr) -> Self {
        Self {
            output,
            as_peer,
            rs,
            number: AtomicU32::new(0),
            last: AtomicU8::new(Phase::Idle as u8),
        }
    }

    /// A datagram.
    pub fn datagram(&self, seen: &Seen<'_>) {
        if self.output.verbose == 0 {
            return;
        }
        match *seen {
            // Told by the messages themselves, which come first.
            Seen::Phase(_) => {}
            Seen::Sent(peer, datagram) => {
                eprintln!("  --> {}  {}", self.name(peer), outer(datagram))
            }
            Seen::Received(peer, datagram) => {
                eprintln!("  <-- {}  {}", self.name(peer), outer(datagram))
            }
        }
    }

    /// A message as its sender wrote it, before or after OSCORE.
    pub fn message(&self, watched: &Watched<'_>) {
        let last = self.last.swap(watched.phase as u8, Ordering::Relaxed);
        if last != watched.phase as u8 {
            let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
            eprintln!(
                "{}",
                self.output
                    .bold(&format!("({number}) {}", phase_words(watched.phase)))
            );
        }
        let arrow = match watched.direction {
            Direction::Sent => "==>",
            Direction::Received => "<==",
        };
        let inside = if watched.protected {
            "inside OSCORE: "
        } else {
            ""
        };
        let options = options_words(watched.options);
        eprintln!(
            "  {arrow}     {}",
            self.output
                .dim(&format!("{inside}{} {options}", watched.code))
        );
        for line in payload_lines(watched) {
            eprintln!("          {}", self.output.dim(&line));
        }
    }

    fn name(&self, peer: SocketAddr) -> String {
        if peer == self.as_peer {
            "AS".into()
        } else if peer == self.rs {
            "RS".into()
        } else {
            peer.to_string()
        }
    }
}

fn phase_words(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "idle",
        Phase::Hints => "hints: ask the resource server, unprotected, who gives tokens for it",
        Phase::Token => "token: ask the authorization server",
        Phase::Upload => "upload: give the token to the resource server",
        Phase::Update => "update: ask for more rights with the same key",
        Phase::Access => "access: the request itself, protected by OSCORE",
        Phase::Observing => "observing",
    }
}

/// One line about a datagram as anybody on the way sees it.
fn outer(datagram: &[u8]) -> String {
    let Ok(message) = Message::parse(datagram) else {
        return format!("{} bytes that are no CoAP message", datagram.len());
    };
    let kind = match message.kind {
        Type::Confirmable => "CON",
        Type::NonConfirmable => "NON",
        Type::Acknowledgement => "ACK",
        Type::Reset => "RST",
    };
    let options = options_words(message.options);
    let payload = match message.payload.len() {
        0 => String::new(),
        length if message.options.contains(option::OSCORE) => {
            format!(", {length} bytes ciphertext")
        }
        length => format!(", {length} bytes payload"),
    };
    format!(
        "{kind} {} {options}, {} bytes{payload}",
        message.code,
        datagram.len()
    )
}

fn options_words(options: Options<'_>) -> String {
    let path: Vec<_> = options
        .iter()
        .filter(|o| o.number == option::URI_PATH)
        .map(|o| String::from_utf8_lossy(o.value))
        .collect();
    let mut words = Vec::new();
    if !path.is_empty() {
        words.push(format!("/{}", path.join("/")));
    }
    for o in options.iter().filter(|o| o.number != option::URI_PATH) {
        let name =
            option::name(o.number).map_or_else(|| format!("option {}", o.number), String::from);
        words.push(match o.number {
            option::BLOCK1 | option::BLOCK2 => match ace_wire::coap::Block::parse(o.value) {
                Ok(block) => {
                    format!(
                        "{name} {}/{}/{}",
                        block.number,
                        u8::from(block.more),
                        block.size()
                    )
                }
                Err(_) => format!("{name} invalid"),
            },
            option::CONTENT_FORMAT
            | option::ACCEPT
            | option::MAX_AGE
            | option::OBSERVE
            | option::SIZE1 => {
                format!("{name} {}", o.uint().unwrap_or_default())
            }
            option::URI_QUERY | option::URI_HOST => {
                format!("{name} {}", String::from_utf8_lossy(o.value))
            }
            _ if o.value.is_empty() => name,
            _ => format!("{name} h'{}'", hex::encode(o.value)),
        });
    }
    words.join(", ")
}

fn payload_lines(watched: &Watched<'_>) -> Vec<String> {
    let format = watched.options.uint(option::CONTENT_FORMAT).ok().flatten();
    let format = format.and_then(|number| u16::try_from(number).ok());
    match (format, watched.payload) {
        (_, []) => Vec::new(),
        // The first piece of a longer body is no whole CBOR item; the diagnostic notation says where it ends.
        (Some(content_format::ACE_CBOR), payload) => {
            let hints = watched.phase == Phase::Hints
                || (watched.code == Code::UNAUTHORIZED && !watched.protected);
            let context = if hints {
                Context::Hints
            } else {
                Context::Parameters
            };
            let text = format!("{:#}", Diagnostic::new(payload).context(context).redacted());
            text.lines().map(String::from).collect()
        }
        (_, payload) => match std::str::from_utf8(payload) {
            Ok(text) => vec![format!("{text:?}")],
            Err(_) => vec![format!("h'{}'", hex::encode(payload))],
        },
    }
}
