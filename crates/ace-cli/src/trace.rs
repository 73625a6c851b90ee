//! The exchange message by message, as `-v` shows it on standard error: names, codes, sizes, decoded CBOR, never a key.
//!
//! ```text
//! (2) token: ask the authorization server
//!   --> AS  CON POST, OSCORE kid h'0001' number 0, 59 bytes: 41 ciphertext    what anybody on the way sees
//!           inside: POST /token, Content-Format 19                             what the two ends see
//!           { … }
//! ```

mod dtls;

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use ace_client::{Direction, Phase, Watched};
use ace_net::Seen;
use ace_oscore::OscoreOption;
use ace_wire::{
    ace::{AccessInformation, AsRequestCreationHints, ErrorResponse},
    coap::{Block, Message, Options, Type, content_format, option},
    diag::{Context, Diagnostic},
};

use crate::output::Output;

/// Prints what goes by, if that is wanted.
#[derive(Debug)]
pub struct Trace {
    output: Output,
    as_peer: SocketAddr,
    rs: SocketAddr,
    so_far: Mutex<SoFar>,
}

#[derive(Debug, Default)]
struct SoFar {
    phases: u32,
    phase: Phase,
    /// What was last sent, and when.
    sent: Option<(Vec<u8>, Instant)>,
    /// The inside of the datagram that comes next.
    inside: Vec<String>,
}

impl Trace {
    /// `as_peer` and `rs` get names in the lines.
    pub fn new(output: Output, as_peer: SocketAddr, rs: SocketAddr) -> Self {
        Self {
            output: output.on_stderr(),
            as_peer,
            rs,
            so_far: Mutex::default(),
        }
    }

    /// A datagram.
    pub fn datagram(&self, seen: &Seen<'_>) {
        if self.output.verbose == 0 {
            return;
        }
        let mut so_far = self.so_far.lock().unwrap_or_else(PoisonError::into_inner);
        let sent_before = so_far
            .sent
            .as_ref()
            .map(|(datagram, at)| (datagram.as_slice(), at.elapsed()));
        let after = |elapsed: std::time::Duration| format!("{:.1} ms", elapsed.as_secs_f64() * 1e3);
        match *seen {
            // Handshakes have no messages of their own, and may begin a phase.
            Seen::Phase(phase @ (Phase::Token | Phase::Handshake)) => {
                self.enter(&mut so_far, phase)
            }
            // Told by the messages themselves, which come first.
            Seen::Phase(_) => {}
            Seen::Sent(peer, datagram) => {
                let line = match sent_before {
                    Some((before, elapsed)) if before == datagram => {
                        format!("the same once more, after {}", after(elapsed))
                    }
                    _ => outer(datagram),
                };
                eprintln!("  --> {}  {line}", self.name(peer));
                self.show(&so_far.inside);
                so_far.inside.clear();
                so_far.sent = Some((datagram.to_vec(), Instant::now()));
            }
            Seen::Received(peer, datagram) => {
                let after = sent_before.map(|(_, elapsed)| format!(", after {}", after(elapsed)));
                let after = after.unwrap_or_default();
                eprintln!("  <-- {}  {}{after}", self.name(peer), outer(datagram));
            }
        }
    }

    /// A message as its sender wrote it, before or after OSCORE. Comes before the datagram that is sent, and after the
    /// one that is received.
    pub fn message(&self, watched: &Watched<'_>) {
        if self.output.verbose == 0 {
            return;
        }
        let mut so_far = self.so_far.lock().unwrap_or_else(PoisonError::into_inner);
        self.enter(&mut so_far, watched.phase);
        let mut lines = Vec::new();
        if watched.protected {
            let code = watched.code;
            lines.push(format!("inside: {code}{}", options_words(watched.options)));
        }
        lines.extend(payload_lines(watched));
        match watched.direction {
            Direction::Sent => so_far.inside = lines,
            Direction::Received => self.show(&lines),
        }
    }

    fn enter(&self, so_far: &mut SoFar, phase: Phase) {
        if so_far.phase != phase {
            so_far.phase = phase;
            so_far.phases += 1;
            let heading = format!("({}) {}", so_far.phases, phase_words(phase));
            eprintln!("{}", self.output.bold(&heading));
        }
    }

    fn show(&self, lines: &[String]) {
        for line in lines {
            eprintln!("          {}", self.output.dim(line));
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
        Phase::Handshake => "handshake: DTLS with the resource server, by the key of the token",
        Phase::Update => "update: ask for more rights with the same key",
        Phase::Access => "access: the request itself, protected",
        Phase::Observing => "observing",
    }
}

/// One line about a datagram as anybody on the way sees it.
fn outer(datagram: &[u8]) -> String {
    let length = datagram.len();
    if let Some(records) = dtls::records_words(datagram) {
        return format!("{records}, {length} bytes");
    }
    let Ok(message) = Message::parse(datagram) else {
        return format!("{length} bytes that are no CoAP message");
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
        length if message.options.contains(option::OSCORE) => format!(": {length} ciphertext"),
        length => format!(": {length} payload"),
    };
    format!("{kind} {}{options}, {length} bytes{payload}", message.code)
}

/// ` /temp, Accept 0`: begins with what separates it from the code.
fn options_words(options: Options<'_>) -> String {
    let path = options.iter().filter(|o| o.number == option::URI_PATH);
    let path: Vec<_> = path.map(|o| String::from_utf8_lossy(o.value)).collect();
    let mut words = String::new();
    if !path.is_empty() {
        words += &format!(" /{}", path.join("/"));
    }
    for o in options.iter().filter(|o| o.number != option::URI_PATH) {
        let name =
            option::name(o.number).map_or_else(|| format!("option {}", o.number), String::from);
        let value = match o.number {
            option::BLOCK1 | option::BLOCK2 => match Block::parse(o.value) {
                Ok(block) => format!(
                    " {}/{}/{}",
                    block.number,
                    u8::from(block.more),
                    block.size()
                ),
                Err(_) => " invalid".into(),
            },
            option::CONTENT_FORMAT
            | option::ACCEPT
            | option::MAX_AGE
            | option::OBSERVE
            | option::SIZE1
            | option::SIZE2 => format!(" {}", o.uint().unwrap_or_default()),
            option::URI_QUERY | option::URI_HOST => {
                format!(" {:?}", String::from_utf8_lossy(o.value))
            }
            option::OSCORE => oscore_words(o.value),
            _ if o.value.is_empty() => String::new(),
            _ => format!(" h'{}'", hex::encode(o.value)),
        };
        words += &format!(", {name}{value}");
    }
    words.chars().flat_map(printable).collect()
}

/// ` kid h'0001' number 7`: what the OSCORE option shows to everybody.
fn oscore_words(value: &[u8]) -> String {
    let Ok(option) = OscoreOption::parse(value) else {
        return format!(" h'{}'", hex::encode(value));
    };
    let bytes = |name, value: Option<&[u8]>| {
        value.map_or(String::new(), |value| {
            format!(" {name} h'{}'", hex::encode(value))
        })
    };
    let number = option
        .partial_iv
        .map_or(String::new(), |iv| format!(" number {}", iv.number()));
    format!(
        "{}{}{number}",
        bytes("context", option.kid_context),
        bytes("kid", option.kid)
    )
}

/// Control characters of a peer do not reach the terminal.
fn printable(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_default());
    let plain = (!c.is_control()).then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

/// The payload decoded. What may hold a key is shown only if it is what it must be: the key is then known by its place.
fn payload_lines(watched: &Watched<'_>) -> Vec<String> {
    let payload = watched.payload;
    if payload.is_empty() {
        return Vec::new();
    }
    if is_piece(watched.options) {
        return vec![format!("{} bytes, a piece of a longer body", payload.len())];
    }
    let is_received = watched.direction == Direction::Received;
    let with_keys = watched.protected && matches!(watched.phase, Phase::Token | Phase::Update);
    let format = watched.options.uint(option::CONTENT_FORMAT).ok().flatten();
    let is_ace = format == Some(content_format::ACE_CBOR.into());
    let parameters = |context| {
        let text = format!("{:#}", Diagnostic::new(payload).context(context).redacted());
        text.lines().map(String::from).collect::<Vec<_>>()
    };
    if is_received && (is_ace || with_keys) {
        if let Ok(access) = AccessInformation::parse(payload) {
            let mut lines = parameters(Context::Parameters);
            lines.push(format!(
                "look inside: ace token inspect {}",
                hex::encode(access.access_token)
            ));
            return lines;
        }
        if ErrorResponse::parse(payload).is_ok() {
            return parameters(Context::Parameters);
        }
        if watched.code.class() == 4 && AsRequestCreationHints::parse(payload).is_ok() {
            return parameters(Context::Hints);
        }
        if with_keys {
            return vec![format!(
                "{} bytes that are no answer of an authorization server",
                payload.len()
            )];
        }
    }
    if is_ace {
        return parameters(Context::Parameters);
    }
    vec![match std::str::from_utf8(payload) {
        Ok(text) => format!("{text:?}"),
        Err(_) => format!("h'{}'", hex::encode(payload)),
    }]
}

/// Whether the payload is one block of several.
fn is_piece(options: Options<'_>) -> bool {
    let mut blocks = options
        .iter()
        .filter(|o| matches!(o.number, option::BLOCK1 | option::BLOCK2));
    blocks.any(|o| Block::parse(o.value).map_or(true, |block| block.more || block.number > 0))
}
