//! A plain OSCORE client and server made of this stack's engines, for foreign peers that know no ACE.
//!
//! ```text
//! oscore-peer serve --context CTX.json --listen ADDRESS:PORT [--unsynchronised | --rederive]
//! oscore-peer request --context CTX.json [--block SIZE] [--observe COUNT] [--non] [--rederive]
//!                     [--payload-file FILE] METHOD URI
//! oscore-peer token-context --client BUNDLE.json --audience NAME --rs ADDRESS:PORT
//! ```
//!
//! `serve` offers /hello, /large (3000 bytes), /store (GET and PUT) and /ticks (observable), over OSCORE alone.
//! `--unsynchronised` starts it with a lost replay window (RFC 8613, B.1.2), `--rederive` without a context (B.2).
//! `request` prints the payload; its sequence numbers are kept in a file beside the context.
//! `token-context` gets a token for a client of our authorization server, uploads it to the resource server and prints
//! the context that both now have, without using it.

mod arguments;
mod client;
mod keys;
mod serve;
mod token;
mod udp;

use std::{io::Write as _, process::ExitCode};

use ace_coap::{Code, OutMessage, Reliability, option};
use ace_wire::coap::Uri;
use anyhow::{Result, bail, ensure};

use crate::{
    arguments::Arguments,
    client::{Answer, Client},
    keys::{Keys, Sequence},
};

fn main() -> ExitCode {
    let mut arguments = Arguments::of_process();
    let result = match arguments.word().as_deref() {
        Some("serve") => serve::run(&mut arguments),
        Some("request") => request(&mut arguments),
        Some("token-context") => token::run(&mut arguments),
        other => Err(anyhow::anyhow!(
            "serve, request or token-context, not {other:?}"
        )),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("oscore-peer: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The randomness of the operating system.
fn rng() -> impl ace_crypto::CryptoRng {
    getrandom::rand_core::UnwrapErr(getrandom::SysRng)
}

fn request(arguments: &mut Arguments) -> Result<()> {
    let path = arguments.path("--context")?;
    let block = arguments.number("--block")?;
    let observe = arguments.number("--observe")?;
    let payload = match arguments.option("--payload-file")? {
        Some(file) => std::fs::read(file)?,
        None => Vec::new(),
    };
    let non = arguments.flag("--non");
    let rederive = arguments.flag("--rederive");
    let (Some(method), Some(uri)) = (arguments.word(), arguments.word()) else {
        bail!("METHOD and URI are missing");
    };
    arguments.finish()?;

    let method = match method.to_ascii_uppercase().as_str() {
        "GET" => Code::GET,
        "POST" => Code::POST,
        "PUT" => Code::PUT,
        "DELETE" => Code::DELETE,
        other => bail!("unknown method {other}"),
    };
    let uri = Uri::parse(&uri)?;
    let input = Keys::read(&path)?.decode()?;
    let peer = (uri.host.parse::<std::net::IpAddr>()?, uri.port).into();
    let mut client = if rederive {
        Client::without_context(peer, &input)?
    } else {
        Client::new(peer, input.context()?, Sequence::beside(&path))?
    };
    if non {
        client.reliability = Reliability::NonConfirmable;
    }

    let mut request = OutMessage::new(method).with_payload(&payload);
    request.options.push_path(uri.path)?;
    for parameter in uri.query_parameters() {
        request.options.push(option::URI_QUERY, parameter)?;
    }
    if let Some(count) = observe {
        request.options.push(option::OBSERVE, 0u32)?;
        return client.observe(&request, count, |payload| {
            print(payload)?;
            print(b"\n")
        });
    }
    let Answer { code, payload } = client.transfer(&request, block)?;
    ensure!(
        code.is_success(),
        "{code:?} {}",
        String::from_utf8_lossy(&payload)
    );
    print(&payload)
}

fn print(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    Ok(out.flush()?)
}
