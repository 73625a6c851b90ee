//! `ace demo`: an authorization server, a resource server and a client on UDP sockets of this machine.
//!
//! Each step is one thing of the exchange. Its code is what the application saw (inside OSCORE, where there is OSCORE),
//! its bytes are UDP payload as counted at the client's socket.

use std::{
    net::SocketAddr,
    sync::Mutex,
    time::{Duration, Instant},
};

use ace_as::{Profile, Registry, RsOptions, Site, Store};
use ace_client::{Direction, OnDenied, Phase, Request, Watch, Watched};
use ace_net::{FileStorage, Outcome, RefusedBy, Requester, Seen};
use ace_wire::{
    ace::AsRequestCreationHints,
    coap::{Code, Message, OptionList, Type, Writer, content_format, option},
};
use serde::Serialize;

use crate::{
    args::Demo,
    client::{dotted, parameters},
    config::Config,
    failure::Failure,
    inspect::scope_words,
    output::Output,
    sample, serve, site,
};

/// How long the demo's tokens live: long enough for the steps before `expired`, short enough to wait for.
const TOKEN_LIFETIME: u64 = 3;

/// How long an answer to a datagram that is sent by hand may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Serialize)]
struct Step {
    name: &'static str,
    code: String,
    request_bytes: usize,
    response_bytes: usize,
    ms: f64,
    #[serde(skip)]
    expected: Code,
    #[serde(skip)]
    says: String,
}

/// Runs the demo.
pub async fn run(demo: Demo, output: &Output) -> Result<(), Failure> {
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::setup(format!("no temporary folder: {error}")))?;
    let path = folder.path().join("site");
    // The ports are the system's choice, so that a demo never meets another program.
    let as_socket = serve::bind(SocketAddr::from(([127, 0, 0, 1], 0)), "the system").await?;
    let as_address = as_socket.local_addr().map_err(Failure::setup)?;
    site::make(&path, as_address).await?;
    let mut config = Config::read(&path)?;
    config.token_lifetime = TOKEN_LIFETIME;

    let store = Store::open(path.join(&config.store)).await?;
    let registry = Registry::new(
        store,
        Site {
            issuer: config.issuer.clone(),
            uri: config.uri.clone(),
        },
    );
    let rs_bundle = registry
        .add_rs("thermo", "thermo", &RsOptions::default())
        .await?;
    let bundle = registry.add_client("alice", &[Profile::CoapOscore]).await?;
    registry.grant("alice", "thermo", "GET /temp").await?;
    drop(registry);

    let server = serve::open(&path, &config).await?;
    tokio::spawn(serve::run(as_socket, server, std::future::pending()));
    let rs_socket = serve::bind(SocketAddr::from(([127, 0, 0, 1], 0)), "the system").await?;
    let rs = rs_socket.local_addr().map_err(Failure::setup)?;
    let rs_state = folder.path().join("thermo.state");
    tokio::spawn(async move {
        sample::serve_on(
            &rs_bundle,
            &rs_socket,
            &rs_state,
            false,
            std::future::pending(),
        )
        .await
    });

    let state = FileStorage::open(&folder.path().join("alice.state"))
        .map_err(|error| Failure::file("open", folder.path(), &error))?;
    let meter = Meter::new(rs);
    let watch = |watched: Watched<'_>| meter.message(&watched);
    let context = parameters(&bundle.authorization_server.oscore, "alice")?;
    let mut client = ace_client::Config::new(as_address, &bundle.authorization_server.uri, context);
    client.on_denied = OnDenied::Report;
    client.renew_before = Duration::ZERO;
    client.watch = Watch(Some(&watch));
    let mut requester = Requester::new(client, state)
        .await
        .map_err(Failure::setup)?;

    if !demo.json {
        print!("{}", picture_head(output, as_address, rs));
    }
    let steps = exchange(&mut requester, &meter, rs, |step| {
        if !demo.json {
            print!("{}", picture_step(output, step));
        }
    })
    .await?;
    let ok = steps.len() == STEPS && steps.iter().all(|step| step.code == dotted(step.expected));
    let wrong = steps
        .iter()
        .find(|step| step.code != dotted(step.expected))
        .map(|step| step.name);
    if demo.json {
        site::print_json(&Report { ok, steps })?;
    } else if ok {
        println!(
            "\n{}",
            output.good("the device decided alone: by the token it was given, offline from the AS")
        );
    }
    match wrong {
        None if ok => Ok(()),
        None => Err(Failure::refused("the exchange stopped early")),
        Some(name) => Err(Failure::refused(format!(
            "step {name} did not answer as it must"
        ))),
    }
}

const STEPS: usize = 7;

/// The seven steps; each is shown as soon as it is done.
async fn exchange(
    requester: &mut Requester<'_, FileStorage>,
    meter: &Meter,
    rs: SocketAddr,
    show: impl Fn(&Step),
) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    let mut done = |step: Step| {
        show(&step);
        steps.push(step);
    };

    // hints, token, upload, access: one request of the application.
    let outcome = meter.request(requester, rs, Request::get("/temp")).await?;
    for (name, phase, expected, says) in [
        (
            "hints",
            Phase::Hints,
            Code::UNAUTHORIZED,
            meter.seen(|seen| seen.hints.clone()),
        ),
        (
            "token",
            Phase::Token,
            Code::CREATED,
            "a token for this client and this device alone, and the key in it".into(),
        ),
        (
            "upload",
            Phase::Upload,
            Code::CREATED,
            "opened and checked on the device; both sides derive fresh keys".into(),
        ),
        ("access", Phase::Access, Code::CONTENT, said(&outcome)),
    ] {
        match meter.taken(phase) {
            Some(taken) => done(taken.step(name, expected, says)),
            None => {
                return Err(Failure::refused(format!(
                    "step {name} did not take place: {outcome:?}"
                )));
            }
        }
    }
    let accessed = meter.seen(|seen| seen.last_sent.clone());

    let outcome = meter
        .request(
            requester,
            rs,
            Request {
                payload: b"1",
                ..Request::new(Code::PUT, "/led")
            },
        )
        .await?;
    if !matches!(
        outcome,
        Outcome::Refused(RefusedBy::Rs {
            protected: true,
            ..
        })
    ) {
        return Err(Failure::refused(format!(
            "PUT /led was not refused under protection: {outcome:?}"
        )));
    }
    let taken = meter.taken(Phase::Access).unwrap_or_default();
    done(taken.step(
        "denied",
        Code::FORBIDDEN,
        "PUT /led: the token covers GET /temp alone".into(),
    ));

    let replayed = again(&accessed, 0x5a5a).ok_or_else(|| Failure::refused("nothing to replay"))?;
    let says = "the same protected request again: refused by its sequence number";
    done(
        by_hand(requester, rs, &replayed)
            .await?
            .step("replay", Code::UNAUTHORIZED, says.into()),
    );

    // Protected while the token is good, sent when it is no longer.
    let held = requester
        .draft(rs, Request::get("/temp"))
        .map_err(Failure::setup)?
        .ok_or_else(|| Failure::refused("no request to hold back"))?;
    tokio::time::sleep(Duration::from_secs(TOKEN_LIFETIME)).await;
    let says = format!(
        "a fresh request, {TOKEN_LIFETIME} s later: the token is over, and its keys with it"
    );
    done(
        by_hand(requester, rs, &held)
            .await?
            .step("expired", Code::UNAUTHORIZED, says),
    );
    Ok(steps)
}

/// What one step took.
#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    code: Option<Code>,
    request_bytes: usize,
    response_bytes: usize,
    time: Duration,
}

impl Taken {
    fn step(self, name: &'static str, expected: Code, says: String) -> Step {
        Step {
            name,
            code: self.code.map_or_else(|| "none".into(), dotted),
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            ms: (self.time.as_secs_f64() * 1e5).round() / 1e2,
            expected,
            says,
        }
    }
}

/// Counts what passes the client's socket, phase by phase.
struct Meter {
    rs: SocketAddr,
    seen: Mutex<Sightings>,
}

#[derive(Default)]
struct Sightings {
    phases: Vec<(Phase, Instant, Taken)>,
    hints: String,
    last_sent: Vec<u8>,
}

impl Meter {
    fn new(rs: SocketAddr) -> Self {
        Self {
            rs,
            seen: Mutex::default(),
        }
    }

    fn seen<T>(&self, look: impl FnOnce(&mut Sightings) -> T) -> T {
        // Nothing panics while it looks; if it did, the numbers would still be numbers.
        look(
            &mut self
                .seen
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }

    async fn request(
        &self,
        requester: &mut Requester<'_, FileStorage>,
        rs: SocketAddr,
        request: Request<'_>,
    ) -> Result<Outcome, Failure> {
        self.seen(|seen| seen.phases.clear());
        requester
            .request(rs, request, &mut |event| self.datagram(&event))
            .await
            .map_err(Failure::refused)
    }

    fn datagram(&self, event: &Seen<'_>) {
        self.seen(|seen| {
            let now = Instant::now();
            let last = seen.phases.last_mut();
            match *event {
                Seen::Phase(phase) => {
                    if let Some((_, since, taken)) = last {
                        taken.time = now - *since;
                    }
                    seen.phases.push((phase, now, Taken::default()));
                }
                Seen::Sent(peer, datagram) => {
                    if let Some((.., taken)) = last {
                        taken.request_bytes += datagram.len();
                    }
                    if peer == self.rs {
                        seen.last_sent = datagram.to_vec();
                    }
                }
                Seen::Received(_, datagram) => {
                    if let Some((.., taken)) = last {
                        taken.response_bytes += datagram.len();
                    }
                }
            }
        });
    }

    fn message(&self, watched: &Watched<'_>) {
        if watched.direction == Direction::Sent {
            return;
        }
        self.seen(|seen| {
            if let Some((.., taken)) = seen
                .phases
                .iter_mut()
                .rev()
                .find(|(phase, ..)| *phase == watched.phase)
            {
                taken.code = Some(watched.code);
            }
            if watched.phase == Phase::Hints
                && let Ok(hints) = AsRequestCreationHints::parse(watched.payload)
            {
                let scope = hints
                    .scope
                    .map_or_else(|| "?".into(), |scope| scope_words(&scope));
                let (uri, audience) = (hints.r#as.unwrap_or("?"), hints.audience.unwrap_or("?"));
                seen.hints = format!("ask {uri} for audience \"{audience}\", scope {scope}");
            }
        });
    }

    /// What a phase took.
    fn taken(&self, phase: Phase) -> Option<Taken> {
        self.seen(|seen| {
            seen.phases
                .iter()
                .find(|(p, ..)| *p == phase)
                .map(|(.., taken)| *taken)
        })
    }
}

/// The same protected request under another Message ID, as an attacker would send it: the old one would only bring the
/// stored answer back (RFC 7252, 4.5).
fn again(datagram: &[u8], id: u16) -> Option<Vec<u8>> {
    let message = Message::parse(datagram).ok()?;
    let mut options = OptionList::<16>::new();
    options.extend(message.options, |_| true).ok()?;
    let mut copy = vec![0; datagram.len()];
    let mut writer = Writer::new(
        &mut copy,
        Type::Confirmable,
        message.code,
        id ^ message.id,
        message.token,
    )
    .ok()?;
    writer.options(&options).ok()?;
    writer.payload(message.payload).ok()?;
    let length = writer.finish();
    copy.truncate(length);
    Some(copy)
}

/// Sends one datagram from the client's socket and waits for what comes back.
async fn by_hand(
    requester: &Requester<'_, FileStorage>,
    rs: SocketAddr,
    datagram: &[u8],
) -> Result<Taken, Failure> {
    let began = Instant::now();
    let socket = requester.socket();
    let mut buffer = [0; 2048];
    let lost = |error: std::io::Error| Failure::setup(format!("the socket failed: {error}"));
    socket.send_to(datagram, rs).await.map_err(lost)?;
    let received = tokio::time::timeout(PATIENCE, socket.recv_from(&mut buffer)).await;
    let mut taken = Taken {
        request_bytes: datagram.len(),
        time: began.elapsed(),
        ..Taken::default()
    };
    if let Ok(received) = received {
        let (length, _) = received.map_err(lost)?;
        let message = Message::parse(&buffer[..length])
            .map_err(|_| Failure::refused("an answer that is no CoAP"))?;
        // A refusal under OSCORE would hide its code; these are in the clear.
        taken.code = (!message.options.contains(option::OSCORE)).then_some(message.code);
        taken.response_bytes = length;
        taken.time = began.elapsed();
    }
    Ok(taken)
}

fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Response {
            payload,
            content_format: Some(content_format::TEXT_PLAIN),
            protected: true,
            ..
        } => {
            format!(
                "\"{}\", end to end under OSCORE; the AS is not asked",
                String::from_utf8_lossy(payload)
            )
        }
        other => format!("{other:?}"),
    }
}

fn picture_head(output: &Output, as_address: SocketAddr, rs: SocketAddr) -> String {
    format!(
        "an authorization server on {as_address}, a resource server `thermo` on {rs}, and a client `alice`\n\n{}\n",
        output.bold("          client                              AS                   RS     sent  back      ms")
    )
}

fn picture_step(output: &Output, step: &Step) -> String {
    let (asks, to_as) = match step.name {
        "hints" => ("GET /temp", false),
        "token" => ("POST /token", true),
        "upload" => ("POST /authz-info", false),
        "access" => ("GET /temp", false),
        "denied" => ("PUT /led", false),
        "replay" => ("GET /temp, a copy", false),
        _ => ("GET /temp, late", false),
    };
    let lock = match step.name {
        "hints" | "upload" => "",
        _ => " (OSCORE)",
    };
    let (there, back) = if to_as {
        (
            arrow(&format!("{asks}{lock}"), 33, true) + "|                    |",
            arrow(&step.code, 33, false) + "|                    |",
        )
    } else {
        (
            arrow(&format!("{asks}{lock}"), 54, true) + "|",
            arrow(&step.code, 54, false) + "|",
        )
    };
    let paint = if step.code == dotted(step.expected) {
        Output::good
    } else {
        Output::bad
    };
    let name = output.bold(&format!("{:7}", step.name));
    format!(
        "{name}   |{there}  {:4}\n          |{back}        {:4}  {:6.2}\n          {}\n",
        step.request_bytes,
        step.response_bytes,
        step.ms,
        paint(*output, &format!("{}: {}", step.code, step.says)),
    )
}

/// A line of `width` characters from here to there with words on it.
fn arrow(words: &str, width: usize, right: bool) -> String {
    let rest = width.saturating_sub(words.len() + 6);
    if right {
        format!("-- {words} {}->", "-".repeat(rest))
    } else {
        format!("<-{} {words} --", "-".repeat(rest))
    }
}
