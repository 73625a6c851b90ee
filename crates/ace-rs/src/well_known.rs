//! `/.well-known/core` (RFC 6690).

use ace_wire::Error;
use ace_wire::coap::{Code, content_format};
use ace_wire::link::LinkWriter;

use crate::resource::{Resource, Response};
use crate::server::AUTHZ_INFO;

/// Answers GET with all resources and `/authz-info`; a query is ignored (RFC 6690, 4.1: filtering
/// is left out by simple servers).
pub(crate) fn list(resources: &[Resource], response: &mut Response<'_>) -> Code {
    response.content_format = Some(content_format::LINK_FORMAT);
    let written = response.fill(|room| {
        let mut links = LinkWriter::new(room);
        links.link(AUTHZ_INFO)?;
        // RFC 9200, 8.2
        links.attribute("rt", "ace.ai")?;
        #[cfg(not(feature = "dtls"))]
        links.number("ct", u64::from(content_format::ACE_CBOR))?;
        // application/ace+cbor and application/cwt
        #[cfg(feature = "dtls")]
        links.attribute("ct", "19 61")?;
        for resource in resources {
            links.link(resource.path)?;
            if !resource.resource_type.is_empty() {
                links.attribute("rt", resource.resource_type)?;
            }
            if !resource.interface.is_empty() {
                links.attribute("if", resource.interface)?;
            }
            if resource.observable {
                links.flag("obs")?;
            }
        }
        Ok::<usize, Error>(links.finish())
    });
    match written {
        Ok(()) => Code::CONTENT,
        Err(_) => Code::INTERNAL_SERVER_ERROR,
    }
}
