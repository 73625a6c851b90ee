//! Devices that speak `coap_dtls`: what is registered, and what their bundles say.

use ace_crypto::{SigningKey, VerifyingKey};

use super::*;

fn rpk(curve: Curve) -> ClientOptions {
    ClientOptions {
        profile: ClientProfile::CoapDtlsRpk(DeviceKey::Generate(curve)),
    }
}

const PSK: ClientOptions = ClientOptions {
    profile: ClientProfile::CoapDtlsPsk,
};

fn speaks(profiles: &[RsProfile]) -> RsOptions {
    RsOptions {
        profiles: profiles.to_vec(),
        ..RsOptions::default()
    }
}

fn public(access: &AsAccess) -> (Option<&SecretHex>, VerifyingKey, VerifyingKey) {
    match access.dtls.as_ref().unwrap() {
        DtlsBundle::Rpk {
            private_key,
            public_key,
            peer_public_key,
        } => (
            private_key.as_ref(),
            VerifyingKey::from_spki(&public_key.0).unwrap(),
            VerifyingKey::from_spki(&peer_public_key.0).unwrap(),
        ),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_client_with_a_pre_shared_key_is_given_it_and_nothing_else() {
    let site = site().await;
    let bundle = site.registry.add_client("petra", &PSK).await.unwrap();
    let value = serde_json::to_value(&bundle).unwrap();
    assert_eq!(keys(&value["as"]), ["dtls", "uri"]);
    assert_eq!(value["as"]["uri"], "coaps://as/token");
    let dtls = &value["as"]["dtls"];
    assert_eq!(keys(dtls), ["psk", "psk_identity"]);
    assert_eq!(dtls["psk"].as_str().unwrap().len(), 32);
    // What every stack takes: printable, without NUL, and no longer than tinydtls allows.
    let identity = hex::decode(dtls["psk_identity"].as_str().unwrap()).unwrap();
    assert!(identity.len() <= 32 && identity.iter().all(u8::is_ascii_graphic));
    let text = serde_json::to_string(&bundle).unwrap();
    assert_eq!(ClientBundle::parse(&text).unwrap(), bundle);
    assert_eq!(site.registry.client_bundle("petra").await.unwrap(), bundle);
    assert_eq!(
        site.registry.clients().await.unwrap()[0].profiles,
        ["coap_dtls-psk"]
    );
}

#[tokio::test]
async fn a_client_with_a_public_key_is_given_its_pair_and_the_key_of_the_as() {
    let site = site().await;
    let mut own = None;
    for (name, curve, algorithm) in [
        ("rosa", Curve::P256, Signature::Es256),
        ("edda", Curve::Ed25519, Signature::EdDsa),
    ] {
        let bundle = site.registry.add_client(name, &rpk(curve)).await.unwrap();
        let (private, key, peer) = public(&bundle.authorization_server);
        let private = SigningKey::from_bytes(algorithm, private.unwrap().as_bytes()).unwrap();
        assert_eq!(private.verifying_key(), key);
        assert_eq!(*own.get_or_insert(peer), peer, "one key of the AS for all");
        let value = serde_json::to_value(&bundle).unwrap();
        assert_eq!(
            keys(&value["as"]["dtls"]),
            ["peer_public_key", "private_key", "public_key"]
        );
        let text = serde_json::to_string(&bundle).unwrap();
        assert_eq!(ClientBundle::parse(&text).unwrap(), bundle);
        assert_eq!(site.registry.client_bundle(name).await.unwrap(), bundle);
    }
    assert_eq!(own.unwrap().algorithm(), Signature::Es256);
}

#[tokio::test]
async fn the_bundle_of_a_device_that_made_its_key_has_no_private_key() {
    let site = site().await;
    let key = crate::store::generate(Signature::EdDsa).unwrap();
    let options = ClientOptions {
        profile: ClientProfile::CoapDtlsRpk(DeviceKey::Public(key.verifying_key())),
    };
    let bundle = site.registry.add_client("rosa", &options).await.unwrap();
    let (private, public, _) = public(&bundle.authorization_server);
    assert_eq!((private, public), (None, key.verifying_key()));
    let text = serde_json::to_string(&bundle).unwrap();
    assert!(!text.contains("private_key"));
    assert_eq!(ClientBundle::parse(&text).unwrap(), bundle);
}

#[tokio::test]
async fn a_resource_server_gets_what_its_profiles_need() {
    use RsProfile::{CoapDtlsPsk, CoapDtlsRpk, CoapOscore};
    let site = site().await;
    for (profiles, oscore, psk, rpk) in [
        (&[CoapOscore][..], true, false, false),
        (&[CoapDtlsPsk], false, true, false),
        (&[CoapDtlsRpk], false, false, true),
        (&[CoapDtlsPsk, CoapDtlsRpk], false, false, true),
        (&[CoapOscore, CoapDtlsPsk], true, true, false),
        (&RsProfile::ALL, true, false, true),
    ] {
        let options = speaks(profiles);
        let bundle = site.registry.add_rs("rs", "rs", &options).await.unwrap();
        let access = &bundle.authorization_server;
        assert_eq!(bundle.profiles, profiles);
        assert_eq!(access.oscore.is_some(), oscore);
        assert_eq!(matches!(access.dtls, Some(DtlsBundle::Psk { .. })), psk);
        assert_eq!(matches!(access.dtls, Some(DtlsBundle::Rpk { .. })), rpk);
        let (uri, coaps) = match (oscore, psk || rpk) {
            (true, true) => ("coap://as/token", Some("coaps://as/token")),
            (true, false) => ("coap://as/token", None),
            _ => ("coaps://as/token", None),
        };
        assert_eq!(
            (access.uri.as_str(), access.coaps_uri.as_deref()),
            (uri, coaps)
        );
        let text = serde_json::to_string(&bundle).unwrap();
        assert_eq!(RsBundle::parse(&text).unwrap(), bundle);
        assert_eq!(site.registry.rs_bundle("rs").await.unwrap(), bundle);
        site.registry.remove_rs("rs").await.unwrap();
    }
}

#[tokio::test]
async fn signed_tokens_are_opened_by_one_key_of_the_as_per_algorithm() {
    let site = site().await;
    let mut seen = std::collections::HashMap::new();
    for (name, token_alg) in [("one", -7), ("two", -8), ("three", -7)] {
        let options = RsOptions {
            token_alg,
            ..speaks(&[RsProfile::CoapDtlsRpk])
        };
        let bundle = site.registry.add_rs(name, name, &options).await.unwrap();
        let [key] = &bundle.token_keys[..] else {
            panic!("{:?}", bundle.token_keys)
        };
        let value = serde_json::to_value(&bundle).unwrap();
        assert_eq!(keys(&value["token_keys"][0]), ["alg", "kid", "public_key"]);
        let TokenKeyMaterial::Public(spki) = &key.key else {
            panic!("{key:?}")
        };
        let public = VerifyingKey::from_spki(&spki.0).unwrap();
        assert_eq!(public.algorithm().cose(), token_alg);
        // Not the key with which the AS speaks DTLS.
        assert_ne!(public, super::dtls::public(&bundle.authorization_server).2);
        let before = seen.insert(token_alg, key.clone());
        assert!(before.is_none_or(|before| before == *key));
        let text = serde_json::to_string(&bundle).unwrap();
        assert_eq!(RsBundle::parse(&text).unwrap(), bundle);
    }
    assert_ne!(seen[&-7].kid, seen[&-8].kid);
}

#[tokio::test]
async fn options_that_do_not_go_together_are_refused_with_what_to_do() {
    use RsProfile::{CoapDtlsPsk, CoapDtlsRpk, CoapOscore};
    let site = site().await;
    let key = crate::store::generate(Signature::Es256).unwrap();
    let key = DeviceKey::Public(key.verifying_key());
    for (options, expected) in [
        (speaks(&[]), "speaks one profile at least"),
        (
            RsOptions {
                token_alg: -7,
                ..speaks(&[CoapOscore])
            },
            "tokens for coap_oscore hold a secret",
        ),
        (
            RsOptions {
                token_alg: -8,
                ..speaks(&[CoapDtlsPsk, CoapDtlsRpk])
            },
            "let the device derive its keys",
        ),
        (
            RsOptions {
                derive_keys: true,
                ..speaks(&[CoapOscore, CoapDtlsRpk])
            },
            "only coap_dtls-psk derives keys",
        ),
        (
            RsOptions {
                key,
                ..speaks(&[CoapDtlsPsk])
            },
            "a public key is for coap_dtls-rpk",
        ),
        (
            RsOptions {
                token_alg: -9,
                ..speaks(&[CoapDtlsRpk])
            },
            "algorithm -9 cannot protect tokens",
        ),
    ] {
        let error = site
            .registry
            .add_rs("rs", "rs", &options)
            .await
            .unwrap_err();
        let error = error.to_string();
        assert!(error.contains(expected), "{error} / {expected}");
    }
    for options in [
        RsOptions {
            token_alg: -7,
            derive_keys: true,
            ..speaks(&[CoapDtlsPsk, CoapDtlsRpk])
        },
        RsOptions {
            derive_keys: true,
            ..speaks(&[CoapOscore, CoapDtlsPsk])
        },
        RsOptions {
            key,
            ..speaks(&[CoapDtlsRpk])
        },
    ] {
        site.registry.add_rs("rs", "rs", &options).await.unwrap();
        site.registry.remove_rs("rs").await.unwrap();
    }
}

#[tokio::test]
async fn a_key_belongs_to_one_device() {
    let site = site().await;
    let key = crate::store::generate(Signature::Es256)
        .unwrap()
        .verifying_key();
    let client = ClientOptions {
        profile: ClientProfile::CoapDtlsRpk(DeviceKey::Public(key)),
    };
    let bundle = site.registry.add_client("rosa", &client).await.unwrap();
    let rs = RsOptions {
        key: DeviceKey::Public(key),
        ..speaks(&[RsProfile::CoapDtlsRpk])
    };
    let error = site.registry.add_client("rita", &client).await.unwrap_err();
    assert!(matches!(error, RegistryError::DuplicateKey), "{error}");
    let error = site.registry.add_rs("rs", "rs", &rs).await.unwrap_err();
    assert!(matches!(error, RegistryError::DuplicateKey), "{error}");
    // Nor is it the AS's own: it would let the AS in as a client of itself.
    let own = ClientOptions {
        profile: ClientProfile::CoapDtlsRpk(DeviceKey::Public(
            public(&bundle.authorization_server).2,
        )),
    };
    let error = site.registry.add_client("mirror", &own).await.unwrap_err();
    assert!(matches!(error, RegistryError::DuplicateKey), "{error}");
    // Once it is free it may be given again.
    site.registry.remove_client("rosa").await.unwrap();
    site.registry.add_rs("rs", "rs", &rs).await.unwrap();
}

#[tokio::test]
async fn without_a_coaps_uri_nobody_is_registered_who_needs_it() {
    let with = site().await;
    let site = Site {
        issuer: "coap://as".into(),
        uri: "coap://as/token".into(),
        coaps_uri: None,
    };
    let registry = Registry::new(with.registry.store.clone(), site);
    for options in [PSK, rpk(Curve::P256)] {
        let error = registry.add_client("petra", &options).await.unwrap_err();
        assert!(error.to_string().contains("`uri_coaps` in ace.toml"));
    }
    let options = speaks(&[RsProfile::CoapDtlsPsk]);
    let error = registry.add_rs("rs", "rs", &options).await.unwrap_err();
    assert!(matches!(error, RegistryError::NoCoaps));
    assert_eq!(registry.clients().await.unwrap(), []);
}

#[tokio::test]
async fn bundles_with_slips_in_their_dtls_parts_are_refused() {
    let site = site().await;
    let psk = site.registry.add_client("petra", &PSK).await.unwrap();
    let rosa = site.registry.add_client("rosa", &rpk(Curve::P256)).await;
    let psk = serde_json::to_string_pretty(&psk).unwrap();
    let rosa = serde_json::to_string_pretty(&rosa.unwrap()).unwrap();
    let message = |text: String| ClientBundle::parse(&text).unwrap_err().to_string();
    for (text, expected) in [
        (psk.replace("\"psk\"", "\"pks\""), "unknown field `pks`"),
        (
            psk.replace("\"psk_identity\"", "\"public_key\""),
            "`psk_identity` and `psk`, or",
        ),
        (
            rosa.replace("\"peer_public_key\"", "\"psk\""),
            "`psk_identity` and `psk`, or",
        ),
        (psk.replace("\"dtls\"", "\"tls\""), "unknown field `tls`"),
        (
            r#"{"name": "petra", "as": {"uri": "coaps://as/token"}}"#.to_owned(),
            "missing field `oscore` or `dtls`",
        ),
    ] {
        let message = message(text);
        assert!(
            message.contains(expected) && message.contains("line"),
            "{message} / {expected}"
        );
    }
    let two = r#"{"kid": "00", "alg": 10, "k": "00", "public_key": "00"}"#;
    assert!(serde_json::from_str::<TokenKeyBundle>(two).is_err());
    let none = r#"{"kid": "00", "alg": 10}"#;
    assert!(serde_json::from_str::<TokenKeyBundle>(none).is_err());
}

#[tokio::test]
async fn a_bundle_made_before_there_were_profiles_is_read() {
    let site = site().await;
    let options = RsOptions::default();
    let bundle = site.registry.add_rs("rs", "rs", &options).await.unwrap();
    let mut value = serde_json::to_value(&bundle).unwrap();
    value.as_object_mut().unwrap().remove("profiles");
    assert_eq!(RsBundle::parse(&value.to_string()).unwrap(), bundle);
}

#[tokio::test]
async fn secrets_of_dtls_do_not_show_in_debug_output() {
    let site = site().await;
    let petra = site.registry.add_client("petra", &PSK).await.unwrap();
    let rosa = site.registry.add_client("rosa", &rpk(Curve::P256)).await;
    let rosa = rosa.unwrap();
    let options = RsOptions {
        derive_keys: true,
        ..speaks(&[RsProfile::CoapDtlsPsk])
    };
    let rs = site.registry.add_rs("rs", "rs", &options).await.unwrap();
    let Some(DtlsBundle::Psk { psk, .. }) = &petra.authorization_server.dtls else {
        panic!()
    };
    let private = public(&rosa.authorization_server).0.unwrap();
    let shown = format!("{petra:?} {rosa:?} {rs:?} {options:?} {:?}", site.registry);
    for secret in [
        psk,
        private,
        rs.key_derivation_key.as_ref().unwrap(),
        rs.token_keys[0].secret().unwrap(),
    ] {
        assert!(!shown.contains(&hex::encode(secret.as_bytes())));
        assert!(!shown.contains(&format!("{:?}", secret.as_bytes())));
    }
}

#[test]
fn profiles_have_the_names_that_commands_and_bundles_use() {
    for profile in RsProfile::ALL {
        assert_eq!(RsProfile::named(profile.name()), [profile]);
        assert_eq!(serde_json::to_value(profile).unwrap(), profile.name());
        assert_eq!(RsProfile::from_bit(profile.bit()), Some(profile));
    }
    assert_eq!(RsProfile::named("coap_dtls").len(), 2);
    assert!(RsProfile::named("coap_tls").is_empty());
    for curve in [Curve::P256, Curve::Ed25519] {
        assert_eq!(curve.to_string().parse(), Ok(curve));
    }
    assert!("P-384".parse::<Curve>().is_err());
}
