//! `ace request`: one request to a resource server, with everything that it takes on the way.

use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ace_client::{
    AsSecurity, ClientError, Direction, Phase, Reason, Request as Wanted, RequestError, Step,
    Watch, Watched,
};
use ace_dtls::{Alert, CloseReason};
use ace_net::{Outcome, RefusedBy, Requester, RequesterError};
use ace_wire::{
    ace::{AsRequestCreationHints, ErrorCode},
    coap::{Code, Scheme, content_format},
};
use serde_json::json;

use crate::{
    address::{parse_uri, resolve, with_dtls, without_dtls},
    args::Request,
    bundle::{as_security, client_keys, read_client},
    failure::Failure,
    output::{Output, print, print_json},
    state,
    trace::Trace,
};

/// Runs `ace request`.
pub async fn request(arguments: &Request, output: &Output) -> Result<(), Failure> {
    let method = method(&arguments.method)?;
    let uri = parse_uri(&arguments.uri, "the URI")?;
    let bundle = read_client(&arguments.bundle)?;
    let path = arguments.bundle.display();
    let keys = client_keys(&bundle)?;
    let (security, as_uri) = as_security(&bundle, keys.as_ref())?;
    if uri.scheme == Scheme::Coaps && matches!(security, AsSecurity::Oscore(_)) {
        return Err(Failure::setup(format!(
            "{} asks for DTLS, and the bundle of {} is for OSCORE; write coap:// and the port of CoAP instead, or take \
             a bundle of `ace client add --profile coap_dtls-psk`",
            arguments.uri, bundle.name
        )));
    }
    let uri = without_dtls(&uri, arguments.one_port)?;
    let as_uri_parsed = parse_uri(as_uri, &format!("{path}: the uri of `as`"))?;
    let (expected, with) = match security {
        AsSecurity::Oscore(_) => (Scheme::Coap, "coap:// with oscore"),
        AsSecurity::Dtls(_) => (Scheme::Coaps, "coaps:// with dtls"),
    };
    if as_uri_parsed.scheme != expected {
        return Err(Failure::setup(format!(
            "{path}: the uri of `as`, {as_uri}, must be {with}; make another bundle with `ace client add`"
        )));
    }
    let limit = Duration::from_secs(arguments.timeout);
    let (rs, as_peer) = resolve(&uri, &as_uri_parsed, limit).await?;
    let state = match &arguments.state {
        Some(path) => path.clone(),
        None => state::beside(&arguments.bundle),
    };
    let storage = state::open_client(&state)?;

    let mut config = ace_client::Config::new(as_peer, as_uri, security);
    config.own_key = keys.as_ref().map(|pair| &pair.own);
    let coaps: fn(SocketAddr) -> SocketAddr = match arguments.one_port {
        true => |coap| coap,
        false => with_dtls,
    };
    config.coaps = coaps;
    config.token_in_handshake = arguments.token_in_handshake;
    // Each number is written down before it is used, none is skipped: see `state::open_client`.
    config.reservation = 1;
    let (trace, heard) = (Trace::new(*output, as_peer, rs), Heard::default());
    let watch = |watched: Watched<'_>| {
        heard.message(&watched);
        trace.message(&watched);
    };
    config.watch = Watch(Some(&watch));
    let requester = Requester::new(config, storage).await;
    let mut requester = requester.map_err(|error| {
        Failure::setup(match error {
            RequesterError::Client(ClientError::Storage) => format!(
                "cannot write {}; make room and check the mode of its folder, or choose another with --state",
                state.display()
            ),
            error => format!("{path}: {error}; make another with `ace client add`"),
        })
    })?;
    let payload = arguments.payload.as_deref().unwrap_or("").as_bytes();
    let wanted = Wanted {
        query: uri.query,
        payload,
        content_format: (!payload.is_empty()).then_some(content_format::TEXT_PLAIN),
        ..Wanted::new(method, uri.path)
    };
    let mut datagram = |seen: ace_net::Seen<'_>| trace.datagram(&seen);
    let asked = requester.request(rs, wanted, &mut datagram);
    let outcome = match tokio::time::timeout(limit, asked).await {
        Ok(outcome) => outcome.map_err(|error| {
            let what = format!("{method} {}", uri.path);
            Failure::setup(match error {
                RequesterError::Request(RequestError::TooLong) => format!(
                    "{what:.60}: the request is longer than this client takes; make path, query or payload shorter"
                ),
                error => format!("{what:.60}: {error}; try again"),
            })
        })?,
        Err(_) => heard.too_late(),
    };
    if arguments.json {
        print_json(&as_json(&outcome))?;
    }
    let asked = Asked {
        client: &bundle.name,
        method,
        path: uri.path,
        audience: heard.lock().audience.clone(),
        rs,
        rs_coaps: coaps(rs),
        as_peer,
        as_uri,
        timeout: arguments.timeout,
    };
    match outcome {
        Outcome::Response {
            code,
            payload,
            content_format,
            ..
        } if code.is_success() => {
            if arguments.json {
                return Ok(());
            }
            print(payload_words(code, content_format, &payload, output))
        }
        Outcome::Response { code, payload, .. } => {
            let said = String::from_utf8_lossy(&payload);
            let said = if said.is_empty() {
                said
            } else {
                format!(": {said:?}").into()
            };
            let what = asked.what();
            Err(Failure::refused(format!(
                "{what}: the resource server answers {code}{said}"
            )))
        }
        Outcome::Refused(by) => Err(Failure::refused(asked.refused(&by))),
        Outcome::Failed { step, reason } => Err(Failure::refused(asked.failed(step, reason))),
    }
}

fn method(name: &str) -> Result<Code, Failure> {
    let mut methods = [
        Code::GET,
        Code::POST,
        Code::PUT,
        Code::DELETE,
        Code::FETCH,
        Code::PATCH,
        Code::IPATCH,
    ]
    .into_iter();
    let named = methods.find(|code| {
        code.name()
            .is_some_and(|known| known.eq_ignore_ascii_case(name))
    });
    named.ok_or_else(|| {
        Failure::setup(format!(
            "{name:?} is no CoAP method; use GET, POST, PUT, DELETE, FETCH, PATCH or iPATCH"
        ))
    })
}

/// What went by that a message may need.
#[derive(Debug, Default)]
struct Heard(Mutex<SoFar>);

#[derive(Debug, Default)]
struct SoFar {
    phase: Phase,
    /// By the hints, which anyone may have sent.
    audience: Option<String>,
    /// An answer without protection where protection was due.
    unprotected: Option<Code>,
}

impl Heard {
    fn lock(&self) -> MutexGuard<'_, SoFar> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn message(&self, watched: &Watched<'_>) {
        let mut heard = self.lock();
        if heard.phase != watched.phase {
            heard.phase = watched.phase;
            heard.unprotected = None;
        }
        if watched.direction == Direction::Sent {
            return;
        }
        match watched.phase {
            Phase::Hints => {
                if let Ok(hints) = AsRequestCreationHints::parse(watched.payload) {
                    heard.audience = hints.audience.map(String::from);
                }
            }
            Phase::Token if !watched.protected => heard.unprotected = Some(watched.code),
            _ => {}
        }
    }

    /// How it stands when time is over.
    fn too_late(&self) -> Outcome {
        let heard = self.lock();
        let step = match heard.phase {
            Phase::Token => Step::Token,
            Phase::Upload => Step::Upload,
            Phase::Handshake => Step::Handshake,
            Phase::Update => Step::Update,
            Phase::Access | Phase::Observing => Step::Access,
            Phase::Idle | Phase::Hints => Step::Hints,
        };
        let reason = heard
            .unprotected
            .map_or(Reason::TimedOut, Reason::Unprotected);
        Outcome::Failed { step, reason }
    }
}

/// A request as it is spoken of.
struct Asked<'a> {
    client: &'a str,
    method: Code,
    path: &'a str,
    /// By the hints, which anyone may have sent.
    audience: Option<String>,
    rs: SocketAddr,
    rs_coaps: SocketAddr,
    as_peer: SocketAddr,
    as_uri: &'a str,
    timeout: u64,
}

impl Asked<'_> {
    fn what(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The command that would allow it. The resource server's name is its audience unless the operator chose otherwise;
    /// what is no name is not put into a command.
    fn grant(&self) -> String {
        let is_name = |name: &&str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            !name.is_empty() && !name.starts_with(['-', '.']) && name.chars().all(plain)
        };
        let client = Some(self.client).filter(is_name).unwrap_or("CLIENT");
        let rs = self.audience.as_deref().filter(is_name).unwrap_or("RS");
        let scope = self.what().replace('\'', r"'\''");
        format!("the operator can allow it with `ace grant {client} {rs} '{scope}' --site DIR`")
    }

    fn unknown(&self) -> String {
        format!(
            "{}: the authorization server at {} does not know the key of {}; `ace client list` there says whether it is \
             registered, `ace client add` makes a new bundle",
            self.what(),
            self.as_peer,
            self.client
        )
    }

    fn refused(&self, by: &RefusedBy) -> String {
        let (what, grant) = (self.what(), self.grant());
        match by {
            RefusedBy::NotGranted { code } => {
                let client = self.client;
                format!(
                    "{what} refused: {client} has no grant for it, and the resource server answers {code}; {grant}"
                )
            }
            RefusedBy::As {
                error: ErrorCode::InvalidClient,
                ..
            } => self.unknown(),
            RefusedBy::As { error, description } => {
                let number = error.number();
                let name = error
                    .name()
                    .map_or_else(|| format!("error {number}"), String::from);
                let said = description
                    .as_ref()
                    .map_or(String::new(), |text| format!(" ({text})"));
                let next = match *error {
                    ErrorCode::UnauthorizedClient => {
                        "take a bundle that `ace client add` printed".to_owned()
                    }
                    _ => grant,
                };
                format!("{what} refused by the authorization server: {name}{said}; {next}")
            }
            RefusedBy::Rs {
                step: Step::Upload,
                code,
                protected,
            } => format!(
                "{what}: the resource server does not take the token: {code}{}; does it run with the bundle that the \
                 authorization server at {} has of it (`ace rs show`), and is its clock right?",
                unprotected(*protected),
                self.as_peer
            ),
            RefusedBy::Rs {
                code, protected, ..
            } => {
                format!(
                    "{what} refused by the resource server: {code}{}; {grant}",
                    unprotected(*protected)
                )
            }
            RefusedBy::UntrustedAs { uri } => format!(
                "{what}: the resource server sends clients to {uri:?}, but this bundle is for {}; nothing was sent \
                 there; take the bundle of a client registered there",
                self.as_uri
            ),
        }
    }

    fn failed(&self, step: Step, reason: Reason) -> String {
        let what = self.what();
        let (who, at, start) = match step {
            Step::Token => ("authorization server", self.as_peer, "ace serve --site DIR"),
            Step::Handshake => ("resource server", self.rs_coaps, "ace rs serve BUNDLE"),
            _ => ("resource server", self.rs, "ace rs serve BUNDLE"),
        };
        let client = self.client;
        let alert = match reason {
            Reason::Dtls(CloseReason::Alert(alert)) => Some(alert),
            _ => None,
        };
        match reason {
            Reason::TimedOut | Reason::Dtls(CloseReason::TimedOut) => {
                let careful = match (step, self.method) {
                    (Step::Access, Code::GET | Code::FETCH) | (Step::Hints, _) => "",
                    (Step::Access, _) => "; it may have been carried out all the same",
                    _ => "",
                };
                let seconds = self.timeout;
                format!(
                    "{what}: no answer from the {who} at {at} (UDP) within {seconds} s{careful}; check that it runs \
                     (`{start}`) and that UDP gets there, or wait longer with --timeout"
                )
            }
            Reason::WrongKey if step == Step::Token => format!(
                "{what}: the {who} at {at} has another key than the bundle of {client} says; make sure that it is the \
                 right one, and take the bundle that `ace client show {client}` prints there"
            ),
            Reason::WrongKey => format!(
                "{what}: the {who} at {at} has another key than the authorization server says; does it run with the \
                 bundle that the authorization server has of it (`ace rs show`)?"
            ),
            _ if step == Step::Token
                && (reason == Reason::Unprotected(Code::UNAUTHORIZED)
                    || matches!(
                        alert,
                        Some(Alert::UNKNOWN_PSK_IDENTITY | Alert::CERTIFICATE_UNKNOWN)
                    )) =>
            {
                self.unknown()
            }
            _ if let Some(alert) = alert
                && step == Step::Handshake =>
            {
                format!(
                    "{what}: the {who} at {at} refuses the DTLS handshake under the token's key ({alert}); does it run \
                     with the bundle that the authorization server has of it (`ace rs show`), and is its clock right?"
                )
            }
            reason => format!("{what}: {reason}, from the {who} at {at}; -v shows the exchange"),
        }
    }
}

const fn unprotected(protected: bool) -> &'static str {
    if protected {
        ""
    } else {
        " (unprotected, so anyone may have said so)"
    }
}

fn payload_words(code: Code, format: Option<u16>, payload: &[u8], output: &Output) -> String {
    match std::str::from_utf8(payload) {
        Ok("") => output.good(&code.to_string()),
        _ if format == Some(content_format::CBOR) => {
            ace_wire::diag::Diagnostic::new(payload).to_string()
        }
        Ok(text) => text.to_owned(),
        Err(_) => format!("h'{}'", hex::encode(payload)),
    }
}

fn as_json(outcome: &Outcome) -> serde_json::Value {
    match outcome {
        Outcome::Response {
            code,
            content_format,
            payload,
            protected,
        } => json!({
            "ok": code.is_success(),
            "code": dotted(*code),
            "content_format": content_format,
            "payload": std::str::from_utf8(payload).ok(),
            "payload_hex": hex::encode(payload),
            "protected": protected,
        }),
        Outcome::Refused(by) => {
            let (who, code, error) = match by {
                RefusedBy::As { error, .. } => ("as", None, error.name()),
                RefusedBy::Rs { code, .. } => ("rs", Some(dotted(*code)), None),
                RefusedBy::NotGranted { code } => ("as", Some(dotted(*code)), Some("not granted")),
                RefusedBy::UntrustedAs { .. } => {
                    ("client", None, Some("untrusted authorization server"))
                }
            };
            json!({"ok": false, "refused_by": who, "code": code, "error": error})
        }
        Outcome::Failed { step, reason } => json!({
            "ok": false,
            "failed_at": format!("{step:?}").to_lowercase(),
            "error": reason.to_string(),
        }),
    }
}

/// `4.01`.
pub fn dotted(code: Code) -> String {
    format!("{}.{:02}", code.class(), code.detail())
}
