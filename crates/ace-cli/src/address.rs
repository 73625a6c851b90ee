//! From CoAP URIs to UDP addresses.

use std::{net::SocketAddr, time::Duration};

use ace_wire::coap::{Scheme, Uri};

use crate::failure::Failure;

/// Reads a URI that this program can ask; `whose` says where it stands, for the message.
pub fn parse_uri<'u>(text: &'u str, whose: &str) -> Result<Uri<'u>, Failure> {
    let uri = Uri::parse(text).ok().filter(|uri| uri.port != 0);
    uri.ok_or_else(|| {
        Failure::setup(format!(
            "{whose} {text:?} is no CoAP URI; write it like coap://127.0.0.1:5700/temp, without % and #"
        ))
    })
}

/// The URI of the same host's CoAP: a resource server has DTLS one port further than CoAP, or both on one.
pub fn without_dtls<'u>(uri: &Uri<'u>, one_port: bool) -> Result<Uri<'u>, Failure> {
    let port = match uri.scheme {
        Scheme::Coap => Some(uri.port),
        Scheme::Coaps if one_port => Some(uri.port),
        Scheme::Coaps => uri.port.checked_sub(1).filter(|port| *port > 0),
    };
    let port = port.ok_or_else(|| {
        Failure::setup(format!(
            "no port is before {} where {} would have CoAP; add --one-port if both are on it",
            uri.port, uri.host
        ))
    })?;
    Ok(Uri {
        scheme: Scheme::Coap,
        port,
        ..*uri
    })
}

/// Where a resource server that has CoAP at `coap` has DTLS, if not there too.
pub fn with_dtls(coap: SocketAddr) -> SocketAddr {
    crate::config::next_port(coap).unwrap_or(coap)
}

/// Addresses of two hosts that one socket reaches: both IPv4 or both IPv6.
pub async fn resolve(
    one: &Uri<'_>,
    other: &Uri<'_>,
    limit: Duration,
) -> Result<(SocketAddr, SocketAddr), Failure> {
    let (ones, others) = (addresses(one, limit).await?, addresses(other, limit).await?);
    let pair = ones.iter().find_map(|a| {
        let same = others.iter().find(|b| a.is_ipv4() == b.is_ipv4());
        same.map(|b| (*a, *b))
    });
    pair.ok_or_else(|| {
        Failure::setup(format!(
            "{} and {} have no IP version in common; name both by IPv4 or both by IPv6",
            one.host, other.host
        ))
    })
}

async fn addresses(uri: &Uri<'_>, limit: Duration) -> Result<Vec<SocketAddr>, Failure> {
    let found = tokio::net::lookup_host((uri.host, uri.port));
    let found = tokio::time::timeout(limit, found).await;
    let found: Vec<_> = found.into_iter().flatten().flatten().collect();
    if found.is_empty() {
        return Err(Failure::setup(format!(
            "no address for the host {}; check the name or write the address itself",
            uri.host
        )));
    }
    Ok(found)
}
