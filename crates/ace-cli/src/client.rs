//! `ace request`: one request to a resource server, with everything that it takes on the way.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use ace_as::{ClientBundle, OscoreBundle};
use ace_client::Step;
use ace_crypto::{Aead, Hkdf};
use ace_net::{Outcome, RefusedBy, Requester};
use ace_oscore::Parameters;
use ace_wire::coap::{Code, Scheme, Uri, content_format};
use serde_json::json;

use crate::{args::Request, failure::Failure, output::Output, sample::open_state, trace::Trace};

/// Runs `ace request`.
pub async fn request(arguments: &Request, output: &Output) -> Result<(), Failure> {
    let method = method(&arguments.method)?;
    let uri = parse_uri(&arguments.uri)?;
    let bundle = read_bundle(&arguments.bundle)?;
    let as_uri = parse_uri(&bundle.authorization_server.uri)?;
    let (rs, as_peer) = (resolve(&uri).await?, resolve(&as_uri).await?);
    let state = arguments
        .state
        .clone()
        .unwrap_or_else(|| beside(&arguments.bundle, "state"));
    let storage = open_state(&state)?;

    let context = parameters(&bundle.authorization_server.oscore, &bundle.name)?;
    let mut config = ace_client::Config::new(as_peer, &bundle.authorization_server.uri, context);
    let trace = Trace::new(*output, as_peer, rs);
    let watch = |watched: ace_client::Watched<'_>| trace.message(&watched);
    if output.verbose > 0 {
        config.watch = ace_client::Watch(Some(&watch));
    }
    let mut requester = Requester::new(config, storage)
        .await
        .map_err(|error| Failure::setup(format!("{}: {error}", arguments.bundle.display())))?;
    let payload = arguments.payload.as_deref().unwrap_or("").as_bytes();
    let wanted = ace_client::Request {
        query: uri.query,
        payload,
        content_format: (!payload.is_empty()).then_some(content_format::TEXT_PLAIN),
        ..ace_client::Request::new(method, uri.path)
    };
    let outcome = requester
        .request(rs, wanted, &mut |seen| trace.datagram(&seen))
        .await
        .map_err(|error| {
            Failure::setup(format!("{} {}: {error}", arguments.method, arguments.uri))
        })?;
    let what = format!("{method} {}", uri.path);
    if arguments.json {
        println!("{:#}", as_json(&outcome));
    }
    match outcome {
        Outcome::Response {
            code,
            payload,
            content_format,
            ..
        } if code.is_success() => {
            if !arguments.json {
                print_payload(code, content_format, &payload, output);
            }
            Ok(())
        }
        Outcome::Response { code, payload, .. } => {
            let said = String::from_utf8_lossy(&payload);
            let said = if said.is_empty() {
                said
            } else {
                format!(": {said}").into()
            };
            Err(Failure::refused(format!(
                "{what}: the resource server answers {code}{said}"
            )))
        }
        Outcome::Refused(by) => Err(Failure::refused(refusal(&by, &bundle.name, &what))),
        Outcome::Failed { step, reason } => {
            Err(Failure::refused(failure(step, reason, rs, as_peer, &what)))
        }
    }
}

/// Reads a client's bundle.
pub fn read_bundle(path: &Path) -> Result<ClientBundle, Failure> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))?;
    ClientBundle::parse(&text).map_err(|error| {
        Failure::setup(format!(
            "{}: {error}; expected what `ace client add` printed",
            path.display()
        ))
    })
}

/// The OSCORE context a bundle describes.
pub fn parameters<'b>(bundle: &'b OscoreBundle, name: &str) -> Result<Parameters<'b>, Failure> {
    let unknown = |what, number| {
        Failure::setup(format!(
            "the bundle of {name}: {what} {number} is not one this program knows"
        ))
    };
    Ok(Parameters {
        master_secret: bundle.master_secret.as_bytes(),
        master_salt: bundle.master_salt.as_bytes(),
        sender_id: &bundle.sender_id.0,
        recipient_id: &bundle.recipient_id.0,
        id_context: bundle.id_context.as_ref().map(|id| id.0.as_slice()),
        aead: Aead::from_cose(bundle.alg).ok_or_else(|| unknown("alg", bundle.alg))?,
        hkdf: Hkdf::from_cose(bundle.hkdf).ok_or_else(|| unknown("hkdf", bundle.hkdf))?,
    })
}

/// `alice.json` and `state` give `alice.json.state`.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

fn method(name: &str) -> Result<Code, Failure> {
    let methods = [
        Code::GET,
        Code::POST,
        Code::PUT,
        Code::DELETE,
        Code::FETCH,
        Code::PATCH,
        Code::IPATCH,
    ];
    let named = methods.into_iter().find(|code| {
        code.name()
            .is_some_and(|known| known.eq_ignore_ascii_case(name))
    });
    named.ok_or_else(|| {
        Failure::setup(format!(
            "{name} is no CoAP method; use GET, POST, PUT, DELETE, FETCH, PATCH or iPATCH"
        ))
    })
}

fn parse_uri(text: &str) -> Result<Uri<'_>, Failure> {
    let uri = Uri::parse(text).map_err(|_| {
        Failure::setup(format!(
            "{text} is no CoAP URI; write it like coap://127.0.0.1:5700/temp, without % and #"
        ))
    })?;
    match uri.scheme {
        Scheme::Coap => Ok(uri),
        Scheme::Coaps => Err(Failure::setup(format!(
            "{text}: this program protects requests by OSCORE on coap://, not by DTLS"
        ))),
    }
}

async fn resolve(uri: &Uri<'_>) -> Result<SocketAddr, Failure> {
    let unknown = || {
        Failure::setup(format!(
            "no address for {}; check the name or use the address itself",
            uri.host
        ))
    };
    let mut found = tokio::net::lookup_host((uri.host, uri.port))
        .await
        .map_err(|_| unknown())?;
    found.next().ok_or_else(unknown)
}

fn print_payload(code: Code, format: Option<u16>, payload: &[u8], output: &Output) {
    match std::str::from_utf8(payload) {
        Ok("") => println!("{}", output.good(&code.to_string())),
        Ok(text) if format != Some(content_format::CBOR) => println!("{text}"),
        _ if format == Some(content_format::CBOR) => {
            println!("{}", ace_wire::diag::Diagnostic::new(payload))
        }
        _ => println!("h'{}'", hex::encode(payload)),
    }
}

fn refusal(by: &RefusedBy, client: &str, what: &str) -> String {
    let allow =
        format!("the operator can allow it with `ace grant {client} RS '{what}' --site DIR`");
    match by {
        RefusedBy::NotGranted { code } => {
            format!(
                "{what} refused: the resource server answers {code}, and the authorization server grants {client} no \
                 more than the token has; {allow}"
            )
        }
        RefusedBy::As { error, description } => {
            let name = error
                .name()
                .map_or_else(|| format!("error {}", error.number()), String::from);
            let said = description
                .as_ref()
                .map_or(String::new(), |text| format!(" ({text})"));
            format!("{what} refused by the authorization server: {name}{said}; {allow}")
        }
        RefusedBy::Rs {
            step: Step::Upload,
            code,
            protected,
        } => format!(
            "{what}: the resource server does not take the token: {code}{}; is it registered at this authorization \
             server with the bundle it runs with?",
            unprotected(*protected)
        ),
        RefusedBy::Rs {
            code, protected, ..
        } => {
            format!(
                "{what} refused by the resource server: {code}{}; {allow}",
                unprotected(*protected)
            )
        }
        RefusedBy::UntrustedAs { uri } => format!(
            "{what}: the resource server sends clients to {uri}, which is not the authorization server of this bundle; \
             nothing was sent there"
        ),
    }
}

const fn unprotected(protected: bool) -> &'static str {
    if protected {
        ""
    } else {
        " (unprotected, so anyone may have said so)"
    }
}

fn failure(
    step: Step,
    reason: ace_client::Reason,
    rs: SocketAddr,
    as_peer: SocketAddr,
    what: &str,
) -> String {
    let (who, at) = match step {
        Step::Token => ("authorization server", as_peer),
        _ => ("resource server", rs),
    };
    match reason {
        ace_client::Reason::TimedOut => {
            format!(
                "{what}: no answer from the {who} at {at}; is it running, and does UDP get there?"
            )
        }
        reason => format!("{what}: {reason}, from the {who} at {at}; -v shows the exchange"),
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
