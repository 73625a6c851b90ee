//! From CoAP URIs to UDP addresses.

use std::{net::SocketAddr, time::Duration};

use ace_wire::coap::{Scheme, Uri};

use crate::failure::Failure;

/// Reads a URI that this program can ask; `whose` says where it stands, for the message.
pub fn parse_uri<'u>(text: &'u str, whose: &str) -> Result<Uri<'u>, Failure> {
    let uri = Uri::parse(text).ok().filter(|uri| uri.port != 0);
    let uri = uri.ok_or_else(|| {
        Failure::setup(format!(
            "{whose} {text:?} is no CoAP URI; write it like coap://127.0.0.1:5700/temp, without % and #"
        ))
    })?;
    match uri.scheme {
        Scheme::Coap => Ok(uri),
        Scheme::Coaps => Err(Failure::setup(format!(
            "{whose} {text} asks for DTLS; this program protects requests by OSCORE, so write coap:// instead"
        ))),
    }
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
