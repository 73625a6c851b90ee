//! AS Request Creation Hints (RFC 9200, 5.3): unauthenticated advice.

use ace_wire::ace::{AsRequestCreationHints, Scope};
use ace_wire::coap::{Scheme, Uri};

/// Longest advice kept from hints: audience, scope and client-nonce together with their CBOR heads.
pub(crate) const MAX_HINTS: usize = 128;

/// Whether a URI from hints is the trusted token endpoint.
///
/// The scheme may differ, and with it the port, which is one more for DTLS, as 5684 is after 5683: it
/// depends on how the client secures its exchange with the authorization server, which the resource
/// server need not know.
pub(crate) fn is_trusted(trusted: &str, named: &str) -> bool {
    let (Ok(trusted), Ok(named)) = (Uri::parse(trusted), Uri::parse(named)) else {
        return false;
    };
    // RFC 9200, 5.3: the scheme part may need to be adapted.
    let without_dtls = |uri: &Uri<'_>| match uri.scheme {
        Scheme::Coap => Some(uri.port),
        Scheme::Coaps => uri.port.checked_sub(1),
    };
    let same_port = trusted.port == named.port || without_dtls(&trusted) == without_dtls(&named);
    let named = Uri {
        scheme: trusted.scheme,
        port: trusted.port,
        ..named
    };
    same_port && trusted.same_resource(&named) && trusted.query == named.query
}

/// The advice that a token request needs, kept beyond the datagram it came in.
#[derive(Default)]
pub(crate) struct Hints {
    kept: heapless::Vec<u8, MAX_HINTS>,
}

impl Hints {
    /// Keeps audience, scope and client-nonce, the scope only if there is room for it: it is a
    /// suggestion. What still does not fit gives `None` and changes nothing.
    pub(crate) fn keep(&mut self, hints: &AsRequestCreationHints<'_>) -> Option<()> {
        let without_scope = AsRequestCreationHints {
            scope: None,
            ..*hints
        };
        self.keep_all(hints)
            .or_else(|| self.keep_all(&without_scope))
    }

    fn keep_all(&mut self, hints: &AsRequestCreationHints<'_>) -> Option<()> {
        let mut encoded = [0; MAX_HINTS];
        let advice = AsRequestCreationHints {
            r#as: None,
            kid: None,
            ..*hints
        };
        let length = advice.encode(&mut encoded).ok()?;
        self.kept = heapless::Vec::from_slice(encoded.get(..length)?).ok()?;
        Some(())
    }

    /// Takes the payload of hints that came with a refusal; false if it is none, does not fit, or
    /// names another authorization server than the trusted one.
    pub(crate) fn advise(&mut self, trusted: &str, payload: &[u8]) -> bool {
        AsRequestCreationHints::parse(payload)
            .ok()
            .filter(|hints| hints.r#as.is_none_or(|named| is_trusted(trusted, named)))
            .is_some_and(|hints| self.keep(&hints).is_some())
    }

    fn view(&self) -> AsRequestCreationHints<'_> {
        AsRequestCreationHints::parse(&self.kept).unwrap_or_default()
    }

    pub(crate) fn audience(&self) -> Option<&str> {
        self.view().audience
    }

    pub(crate) fn scope(&self) -> Option<Scope<'_>> {
        self.view().scope
    }

    pub(crate) fn cnonce(&self) -> Option<&[u8]> {
        self.view().cnonce
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9200_5_3_only_the_scheme_may_differ() {
        let trusted = "coap://as.example.com/token";
        for same in [
            "coap://as.example.com/token",
            "coap://AS.example.com:5683/token",
            "coaps://as.example.com/token",
            "coaps://as.example.com:5684/token",
        ] {
            assert!(is_trusted(trusted, same), "{same}");
        }
        for other in [
            "coap://as.example.org/token",
            "coap://as.example.com:5685/token",
            "coap://as.example.com:5684/token",
            "coaps://as.example.com:5685/token",
            "coap://as.example.com/Token",
            "coap://as.example.com/token/",
            "coap://as.example.com/token?x",
            "coap://as.example.com",
            "https://as.example.com/token",
            "coap://as.example.com@evil.example/token",
            "",
        ] {
            assert!(!is_trusted(trusted, other), "{other}");
        }
        assert!(is_trusted(
            "coap://[::1]:7000/token",
            "coaps://[::1]:7000/token"
        ));
        assert!(is_trusted("coap://h:5684/token", "coaps://h/token"));
        assert!(is_trusted("coaps://h:6001/token", "coap://h:6000/token"));
        assert!(is_trusted("coap://h:6000/token", "coaps://h:6001/token"));
        assert!(!is_trusted("coaps://h:6001/token", "coap://h:6002/token"));
        assert!(!is_trusted("coap://h:6001/token", "coaps://h:6000/token"));
    }

    #[test]
    fn rfc9200_5_3_1_cnonce_is_kept() {
        let mut hints = Hints::default();
        let full = AsRequestCreationHints {
            r#as: Some("coap://as/token"),
            kid: Some(b"k"),
            audience: Some("thermo"),
            scope: Some(Scope::Text("r")),
            cnonce: Some(&[1, 2, 3]),
        };
        hints.keep(&full).unwrap();
        assert_eq!(hints.audience(), Some("thermo"));
        assert_eq!(hints.scope(), Some(Scope::Text("r")));
        assert_eq!(hints.cnonce(), Some(&[1, 2, 3][..]));
        // A suggestion that is too long is left out.
        let wide = AsRequestCreationHints {
            scope: Some(Scope::Bytes(&[0; MAX_HINTS])),
            ..full
        };
        let mut narrow = Hints::default();
        narrow.keep(&wide).unwrap();
        assert_eq!((narrow.scope(), narrow.cnonce()), (None, hints.cnonce()));
        let long = AsRequestCreationHints {
            cnonce: Some(&[0; MAX_HINTS]),
            ..full
        };
        assert_eq!(hints.keep(&long), None);
        assert_eq!(hints.audience(), Some("thermo"));
    }

    #[test]
    fn rfc9200_5_3_advice_that_names_another_as_is_not_kept() {
        let mut payload = [0; 64];
        let hints = AsRequestCreationHints {
            r#as: Some("coap://evil/token"),
            cnonce: Some(&[1]),
            ..Default::default()
        };
        let length = hints.encode(&mut payload).unwrap();
        let mut kept = Hints::default();
        assert!(!kept.advise("coap://as/token", &payload[..length]));
        assert_eq!(kept.cnonce(), None);
        assert!(kept.advise("coap://evil/token", &payload[..length]));
        assert_eq!(kept.cnonce(), Some(&[1][..]));
        assert!(!kept.advise("coap://evil/token", &payload[..length - 1]));
    }
}
