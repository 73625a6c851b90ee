//! The token response (RFC 9200, 5.8.2; RFC 9202, 3.2.1 and 3.3.1; RFC 9203, 3.2).

use core::time::Duration;

use ace_wire::ace::parameter::TOKEN_TYPE_POP;
use ace_wire::ace::{AccessInformation, Confirmation, Profile, Scope};
use ace_wire::coap::content_format::ACE_CBOR;

use crate::Reason;
use crate::dtls::{self, Own, Room};
use crate::grant::Keying;
use crate::oscore::Material;

/// A token response that may be used.
pub(crate) struct Granted<'a> {
    pub token: &'a [u8],
    /// The key; `None` in an update of rights: the key stays (RFC 9202, 4; RFC 9203, 3.2).
    pub keying: Option<Keying<'a>>,
    /// The scope, if it is not the one asked for.
    pub scope: Option<Scope<'a>>,
    pub lifetime: Duration,
}

/// Reads a token response with code 2.01. `held` is the key of the token held before; with `is_update` the request was for more
/// rights with that key.
pub(crate) fn granted<'a>(
    content_format: Option<u16>,
    payload: &'a [u8],
    is_update: bool,
    held: Option<Keying<'_>>,
    own: Own<'_>,
    room: &'a mut Room,
    default_lifetime: Option<Duration>,
) -> Result<Granted<'a>, Reason> {
    check_format(content_format)?;
    let answer = AccessInformation::parse(payload).map_err(|_| Reason::Malformed)?;
    // RFC 9200, 5.8.2: PoP if left out.
    if let Some(kind) = answer.token_type.filter(|kind| *kind != TOKEN_TYPE_POP) {
        return Err(Reason::TokenType(kind));
    }
    let has_oscore = matches!(answer.cnf, Some(Confirmation::Osc(_)));
    let has_key = !has_oscore && answer.cnf.is_some() || answer.rs_cnf.is_some();
    let held_dtls = match held {
        Some(Keying::Dtls(held)) => Some(held),
        _ => None,
    };
    // RFC 9200, 5.8.4.3: the profile decides how the resource server is spoken to. Where it is not named, the key tells.
    let profile = match answer.ace_profile {
        Some(number) => Profile::from_number(number).ok_or(Reason::Profile(number))?,
        None if has_key || !has_oscore && is_update && held_dtls.is_some() => Profile::CoapDtls,
        None => Profile::CoapOscore,
    };
    let keying = match profile {
        // RFC 9203, 3.2: an update of rights comes without cnf.
        Profile::CoapOscore if cfg!(feature = "oscore") && !has_key => match answer.cnf {
            Some(Confirmation::Osc(material)) => Some(Keying::Oscore(Material::check(&material)?)),
            _ if is_update && held_dtls.is_none() => None,
            _ => return Err(Reason::Confirmation),
        },
        Profile::CoapDtls if cfg!(feature = "dtls") && !has_oscore => {
            let key = dtls::Material::check(&answer, is_update, held_dtls, own, room)?;
            if key.is_none() && held_dtls.is_none() {
                return Err(Reason::Confirmation);
            }
            key.map(Keying::Dtls)
        }
        Profile::CoapOscore if cfg!(feature = "oscore") => return Err(Reason::Confirmation),
        Profile::CoapDtls if cfg!(feature = "dtls") => return Err(Reason::Confirmation),
        other => return Err(Reason::Profile(other.number())),
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
        keying,
        scope: answer.scope,
        lifetime,
    })
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

    fn granted(
        content_format: Option<u16>,
        payload: &[u8],
        is_update: bool,
        default_lifetime: Option<Duration>,
    ) -> Result<Granted<'_>, Reason> {
        let room = std::boxed::Box::leak(std::boxed::Box::new(Room::new()));
        let own = Own::default();
        super::granted(
            content_format,
            payload,
            is_update,
            None,
            own,
            room,
            default_lifetime,
        )
    }

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
        let edhoc = AccessInformation {
            ace_profile: Some(4),
            ..FULL
        };
        assert_eq!(refusal(edhoc), Some(Reason::Profile(4)));
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
                .keying
                .is_none()
        );
        assert!(
            granted(None, &encoded(&FULL), true, None)
                .unwrap()
                .keying
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

    #[cfg(feature = "es256")]
    mod dtls {
        use super::*;
        use ace_crypto::{Signature, SigningKey};
        use ace_wire::cose::{CoseKey, KeyType, Y, curve};

        const PSK: CoseKey<'static> = CoseKey {
            kid: Some(b"kid"),
            k: Some(&[7; 16]),
            ..CoseKey::new(KeyType::Symmetric)
        };

        const BARE: AccessInformation<'static> = AccessInformation {
            cnf: Some(Confirmation::CoseKey(PSK)),
            ace_profile: None,
            ..FULL
        };

        /// Why an answer is refused, with the client's own key or without one.
        fn refusal(answer: &AccessInformation<'_>, own: Own<'_>) -> Option<Reason> {
            let (bytes, mut room) = (encoded(answer), Room::new());
            super::super::granted(None, &bytes, false, None, own, &mut room, None).err()
        }

        #[test]
        fn rfc9202_3_3_1_psk_needs_key_and_kid() {
            for ace_profile in [None, Some(1)] {
                let answer = AccessInformation {
                    ace_profile,
                    ..BARE
                };
                assert_eq!(refusal(&answer, None), None);
                for (key, reason) in [
                    (CoseKey { kid: None, ..PSK }, Reason::Confirmation),
                    (
                        CoseKey {
                            k: Some(&[]),
                            ..PSK
                        },
                        Reason::InputMaterial,
                    ),
                    (
                        CoseKey {
                            k: Some(&[1; 65]),
                            ..PSK
                        },
                        Reason::InputMaterial,
                    ),
                    (
                        CoseKey {
                            kid: Some(&[1; 65]),
                            ..PSK
                        },
                        Reason::InputMaterial,
                    ),
                ] {
                    let cnf = Some(Confirmation::CoseKey(key));
                    assert_eq!(
                        refusal(&AccessInformation { cnf, ..answer }, None),
                        Some(reason)
                    );
                }
            }
            // RFC 9202, 3.3.2 as it is written: the identifier in rs_cnf.
            let named = AccessInformation {
                rs_cnf: Some(Confirmation::Kid(b"other")),
                ..BARE
            };
            assert_eq!(refusal(&named, None), None);
            let absent = AccessInformation {
                cnf: None,
                ace_profile: Some(1),
                ..FULL
            };
            assert_eq!(refusal(&absent, None), Some(Reason::Confirmation));
        }

        #[test]
        fn rfc9200_5_8_4_3_answers_that_mix_profiles_are_refused() {
            let (oscore, psk) = (FULL.cnf, BARE.cnf);
            let kid = Some(Confirmation::Kid(b"kid"));
            for (ace_profile, cnf, rs_cnf) in [
                (Some(1), oscore, None),
                (Some(2), psk, None),
                (Some(2), oscore, psk),
                (Some(2), oscore, kid),
                (Some(1), oscore, psk),
                (None, oscore, psk),
                (None, oscore, kid),
                (None, psk, psk),
                (Some(1), psk, psk),
                (Some(1), kid, None),
                (None, kid, kid),
                (None, None, None),
                (None, None, kid),
            ] {
                let answer = AccessInformation {
                    ace_profile,
                    cnf,
                    rs_cnf,
                    ..FULL
                };
                assert_eq!(
                    refusal(&answer, None),
                    Some(Reason::Confirmation),
                    "{answer:?}"
                );
            }
        }

        #[test]
        fn rfc9202_3_2_1_rs_cnf_is_a_key_of_a_curve_that_is_known() {
            let own = SigningKey::from_bytes(Signature::Es256, &[5; 32]).unwrap();
            let theirs = SigningKey::from_bytes(Signature::Es256, &[6; 32]).unwrap();
            let (theirs, mine) = (theirs.verifying_key(), own.verifying_key());
            let (x, y) = (theirs.x(), theirs.y().unwrap());
            let key = CoseKey {
                crv: Some(curve::P_256),
                x: Some(&x),
                y: Some(Y::Bytes(&y)),
                ..CoseKey::new(KeyType::Ec2)
            };
            let answer = |key| AccessInformation {
                cnf: None,
                rs_cnf: Some(Confirmation::CoseKey(key)),
                ..BARE
            };
            assert_eq!(refusal(&answer(key), Some(&own)), None);
            // Not without a key to prove.
            assert_eq!(refusal(&answer(key), None), Some(Reason::Confirmation));
            let sign = Some(Y::Sign(y[31] & 1 == 1));
            assert_eq!(
                refusal(&answer(CoseKey { y: sign, ..key }), Some(&own)),
                None
            );
            let okp = CoseKey {
                kty: KeyType::Okp,
                y: None,
                ..key
            };
            for bent in [
                CoseKey {
                    crv: Some(curve::P_384),
                    ..key
                },
                CoseKey {
                    crv: Some(curve::ED25519),
                    ..key
                },
                CoseKey {
                    crv: Some(curve::X25519),
                    ..okp
                },
                CoseKey {
                    crv: Some(curve::ED448),
                    ..okp
                },
                CoseKey {
                    x: Some(&x[1..]),
                    ..key
                },
                CoseKey {
                    y: Some(Y::Bytes(&x)),
                    ..key
                },
                CoseKey {
                    y: Some(Y::Bytes(&y[..31])),
                    ..key
                },
            ] {
                assert_eq!(
                    refusal(&answer(bent), Some(&own)),
                    Some(Reason::InputMaterial),
                    "{bent:?}"
                );
            }
            // RFC 9202, 3.2.2: a key in cnf must be one that the client has.
            let (x, y) = (mine.x(), mine.y().unwrap());
            let mine = CoseKey {
                x: Some(&x),
                y: Some(Y::Bytes(&y)),
                ..key
            };
            let with = |cnf| AccessInformation {
                cnf: Some(cnf),
                ..answer(key)
            };
            assert_eq!(
                refusal(&with(Confirmation::CoseKey(mine)), Some(&own)),
                None
            );
            let own_kid = ace_crypto::key_id(&own.verifying_key());
            assert_eq!(
                refusal(&with(Confirmation::Kid(&own_kid)), Some(&own)),
                None
            );
            for cnf in [Confirmation::CoseKey(key), Confirmation::Kid(b"another")] {
                let refused = refusal(&with(cnf), Some(&own));
                assert_eq!(refused, Some(Reason::Confirmation));
            }
        }

        #[test]
        fn rfc9202_4_update_without_a_key_keeps_the_one_held() {
            let held = crate::dtls::Material::stored(2, b"kid", &[7; 16]).map(Keying::Dtls);
            let plain = AccessInformation { cnf: None, ..BARE };
            for cnf in [None, Some(Confirmation::Kid(b"kid"))] {
                for ace_profile in [None, Some(1)] {
                    let answer = encoded(&AccessInformation {
                        cnf,
                        ace_profile,
                        ..plain
                    });
                    let mut room = Room::new();
                    let granted =
                        super::super::granted(None, &answer, true, held, None, &mut room, None);
                    assert!(granted.unwrap().keying.is_none());
                }
            }
            // Of another key, or of the other profile.
            for answer in [
                AccessInformation {
                    cnf: Some(Confirmation::Kid(b"other")),
                    ..plain
                },
                AccessInformation {
                    ace_profile: Some(2),
                    ..plain
                },
            ] {
                let bytes = encoded(&answer);
                let mut room = Room::new();
                let granted =
                    super::super::granted(None, &bytes, true, held, None, &mut room, None);
                assert_eq!(granted.err(), Some(Reason::Confirmation));
            }
        }
    }
}
