//! The two payloads a client reads before it holds a context: the token response (RFC 9200, 5.8.2;
//! RFC 9203, 3.2) and the answer to an upload (RFC 9203, 4.2).

use core::time::Duration;

use ace_wire::ace::parameter::TOKEN_TYPE_POP;
use ace_wire::ace::{AccessInformation, AuthzInfoResponse, Confirmation, Profile, Scope};
use ace_wire::coap::content_format::ACE_CBOR;

use crate::Reason;
use crate::grant::Material;

/// A token response that may be used.
pub(crate) struct Granted<'a> {
    pub token: &'a [u8],
    /// The key; `None` in an update of rights: the key stays (RFC 9203, 3.2).
    pub material: Option<Material<'a>>,
    /// The scope, if it is not the one asked for.
    pub scope: Option<Scope<'a>>,
    pub lifetime: Duration,
}

/// Reads a token response with code 2.01.
pub(crate) fn granted(
    content_format: Option<u16>,
    payload: &[u8],
    is_update: bool,
    default_lifetime: Option<Duration>,
) -> Result<Granted<'_>, Reason> {
    check_format(content_format)?;
    let answer = AccessInformation::parse(payload).map_err(|_| Reason::Malformed)?;
    // RFC 9200, 5.8.4.3: the profile decides how the resource server is spoken to.
    if let Some(profile) = answer
        .ace_profile
        .filter(|p| *p != Profile::CoapOscore.number())
    {
        return Err(Reason::Profile(profile));
    }
    // RFC 9200, 5.8.2: PoP if left out.
    if let Some(kind) = answer.token_type.filter(|kind| *kind != TOKEN_TYPE_POP) {
        return Err(Reason::TokenType(kind));
    }
    let material = match answer.cnf {
        Some(Confirmation::Osc(material)) => Some(Material::check(&material)?),
        // RFC 9203, 3.2: an update of rights comes without cnf.
        None if is_update => None,
        _ => return Err(Reason::Confirmation),
    };
    // RFC 9200, 5.10.4: a token whose end is unknown is not used.
    let lifetime = answer
        .expires_in
        .map(Duration::from_secs)
        .or(default_lifetime);
    let lifetime = lifetime.ok_or(Reason::UnknownLifetime)?;
    if lifetime.is_zero() {
        return Err(Reason::Expired);
    }
    if answer.access_token.is_empty() {
        return Err(Reason::Malformed);
    }
    Ok(Granted {
        token: answer.access_token,
        material,
        scope: answer.scope,
        lifetime,
    })
}

/// Reads the answer to an upload: nonce and identifier of the resource server.
pub(crate) fn uploaded(
    content_format: Option<u16>,
    payload: &[u8],
) -> Result<AuthzInfoResponse<'_>, Reason> {
    check_format(content_format)?;
    // RFC 9203, 4.3: without both the exchange stops here.
    AuthzInfoResponse::parse(payload).map_err(|_| Reason::Malformed)
}

/// The payload must be application/ace+cbor where a format is named.
pub(crate) fn check_format(content_format: Option<u16>) -> Result<(), Reason> {
    match content_format {
        None | Some(ACE_CBOR) => Ok(()),
        Some(other) => Err(Reason::ContentFormat(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ace_wire::ace::OscoreInputMaterial;

    const MATERIAL: OscoreInputMaterial<'static> = OscoreInputMaterial {
        id: Some(b"1"),
        ms: Some(&[7; 16]),
        version: None,
        hkdf: None,
        alg: None,
        salt: None,
        context_id: None,
        unknown: false,
    };

    const FULL: AccessInformation<'static> = AccessInformation {
        access_token: b"token",
        expires_in: Some(60),
        cnf: Some(Confirmation::Osc(MATERIAL)),
        scope: Some(Scope::Text("r")),
        token_type: Some(2),
        state: None,
        refresh_token: None,
        ace_profile: Some(2),
        rs_cnf: None,
    };

    fn encoded(answer: &AccessInformation<'_>) -> std::vec::Vec<u8> {
        let mut out = [0; 256];
        let length = answer.encode(&mut out).unwrap();
        out[..length].to_vec()
    }

    fn refusal(answer: AccessInformation<'_>) -> Option<Reason> {
        granted(Some(ACE_CBOR), &encoded(&answer), false, None).err()
    }

    #[test]
    fn rfc9200_5_10_4_token_without_known_lifetime_is_not_used() {
        let bytes = encoded(&AccessInformation {
            expires_in: None,
            ..FULL
        });
        assert_eq!(
            granted(None, &bytes, false, None).err(),
            Some(Reason::UnknownLifetime)
        );
        let default = Some(Duration::from_secs(5));
        assert_eq!(
            granted(None, &bytes, false, default)
                .unwrap()
                .lifetime
                .as_secs(),
            5
        );
        let both = encoded(&FULL);
        assert_eq!(
            granted(None, &both, false, default)
                .unwrap()
                .lifetime
                .as_secs(),
            60
        );
        let ended = AccessInformation {
            expires_in: Some(0),
            ..FULL
        };
        assert_eq!(refusal(ended), Some(Reason::Expired));
    }

    #[test]
    fn rfc9200_5_8_4_3_other_profile_is_refused() {
        assert_eq!(refusal(FULL), None);
        assert_eq!(
            refusal(AccessInformation {
                ace_profile: None,
                ..FULL
            }),
            None
        );
        let dtls = AccessInformation {
            ace_profile: Some(1),
            ..FULL
        };
        assert_eq!(refusal(dtls), Some(Reason::Profile(1)));
    }

    #[test]
    fn rfc9200_5_8_4_2_bearer_token_is_refused() {
        assert_eq!(
            refusal(AccessInformation {
                token_type: None,
                ..FULL
            }),
            None
        );
        let bearer = AccessInformation {
            token_type: Some(1),
            ..FULL
        };
        assert_eq!(refusal(bearer), Some(Reason::TokenType(1)));
    }

    #[test]
    fn rfc9203_3_2_cnf_holds_input_material_and_is_absent_in_an_update() {
        let absent = AccessInformation { cnf: None, ..FULL };
        assert_eq!(refusal(absent), Some(Reason::Confirmation));
        let kid = AccessInformation {
            cnf: Some(Confirmation::Kid(b"1")),
            ..FULL
        };
        assert_eq!(refusal(kid), Some(Reason::Confirmation));
        let bare = OscoreInputMaterial {
            ms: None,
            ..MATERIAL
        };
        let bare = AccessInformation {
            cnf: Some(Confirmation::Osc(bare)),
            ..FULL
        };
        assert_eq!(refusal(bare), Some(Reason::Confirmation));
        assert!(
            granted(None, &encoded(&absent), true, None)
                .unwrap()
                .material
                .is_none()
        );
        assert!(
            granted(None, &encoded(&FULL), true, None)
                .unwrap()
                .material
                .is_some()
        );
    }

    #[test]
    fn rfc9200_5_8_2_every_truncation_and_other_format_is_refused() {
        let bytes = encoded(&FULL);
        for end in 0..bytes.len() {
            assert_eq!(
                granted(None, &bytes[..end], false, None).err(),
                Some(Reason::Malformed)
            );
        }
        assert_eq!(
            granted(Some(60), &bytes, false, None).err(),
            Some(Reason::ContentFormat(60))
        );
        let empty = AccessInformation {
            access_token: b"",
            ..FULL
        };
        assert_eq!(refusal(empty), Some(Reason::Malformed));
    }

    #[test]
    fn rfc9203_4_2_every_truncation_of_the_answer_to_an_upload_is_refused() {
        let answer = AuthzInfoResponse {
            nonce2: &[1; 8],
            server_recipient_id: &[2],
        };
        let mut out = [0; 64];
        let length = answer.encode(&mut out).unwrap();
        assert_eq!(uploaded(Some(ACE_CBOR), &out[..length]), Ok(answer));
        for end in 0..length {
            assert_eq!(uploaded(None, &out[..end]), Err(Reason::Malformed));
        }
        assert_eq!(
            uploaded(Some(0), &out[..length]),
            Err(Reason::ContentFormat(0))
        );
    }
}
