//! Chains of X.509 certificates (RFC 5280) in place of raw public keys: good ones, and each way to be a bad one.

mod common;

use std::time::Duration;

use ace_crypto::{Signature, SigningKey};
use ace_dtls::{Alert, CipherSuite, CloseReason, Config, Error, Peer, X509};
use common::{
    Keys, config,
    pair::{Pair, To, message, plain, records, whole_message},
    pair_of_keys,
};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

type Certificate = CertificateDer<'static>;

/// Middle of 2030, when all are valid that nothing else is said of.
fn in_2030() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(1_906_000_000))
}

fn in_2060() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(2_850_000_000))
}

fn in_2001() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(1_000_000_000))
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2050, 1, 1);
    params
}

/// A root, an intermediate issuer below it, and what they sign.
struct Authority {
    root: Certificate,
    intermediate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        Self::named("root")
    }

    fn named(root_name: &str) -> Self {
        let ca = |name: &str| {
            let mut params = params(&[]);
            params.distinguished_name = rcgen::DistinguishedName::new();
            params
                .distinguished_name
                .push(rcgen::DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            params
        };
        let root_key = KeyPair::generate().unwrap();
        let root = ca(root_name).self_signed(&root_key).unwrap();
        let root_issuer = Issuer::new(ca(root_name), root_key);
        let key = KeyPair::generate().unwrap();
        let intermediate = ca("intermediate").signed_by(&key, &root_issuer).unwrap();
        Self {
            root: root.der().clone(),
            intermediate: intermediate.der().clone(),
            issuer: Issuer::new(ca("intermediate"), key),
        }
    }

    fn sign(&self, params: &CertificateParams, algorithm: Signature) -> (Certificate, SigningKey) {
        let kind = match algorithm {
            Signature::Es256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            _ => &rcgen::PKCS_ED25519,
        };
        let key = KeyPair::generate_for(kind).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().clone(), private_key(&key, algorithm))
    }
}

/// The 32 bytes of the private key in a PKCS #8 structure (RFC 5915, 3; RFC 8410, 7).
fn private_key(key: &KeyPair, algorithm: Signature) -> SigningKey {
    let der = key.serialize_der();
    let marker: &[u8] = match algorithm {
        Signature::Es256 => &[2, 1, 1, 4, 32],
        _ => &[4, 34, 4, 32],
    };
    let at = der
        .windows(marker.len())
        .position(|at| at == marker)
        .unwrap()
        + marker.len();
    SigningKey::from_bytes(algorithm, &der[at..at + 32]).unwrap()
}

fn usage(mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> CertificateParams {
    params.extended_key_usages = vec![usage];
    params
}

fn server_params() -> CertificateParams {
    usage(
        params(&["lamp.example"]),
        ExtendedKeyUsagePurpose::ServerAuth,
    )
}

fn client_params() -> CertificateParams {
    usage(params(&["client"]), ExtendedKeyUsagePurpose::ClientAuth)
}

/// Client and server with certificates from these parameters.
fn site_of(
    authority: &Authority,
    client: &CertificateParams,
    server: &CertificateParams,
    algorithms: [Signature; 2],
) -> (Keys, Keys) {
    let (mut ours, mut theirs) = pair_of_keys(Signature::Es256, Signature::Es256);
    let (client, client_key) = authority.sign(client, algorithms[0]);
    let (server, server_key) = authority.sign(server, algorithms[1]);
    let mut x509 = X509::trusting(std::slice::from_ref(&authority.root)).unwrap();
    x509.time = in_2030;
    ours.accepted = vec![server_key.verifying_key().x()];
    theirs.accepted = vec![client_key.verifying_key().x()];
    ours.own = Some(client_key);
    theirs.own = Some(server_key);
    ours.x509 = Some(X509 {
        chain: vec![client, authority.intermediate.clone()],
        server_name: Some(ServerName::try_from("lamp.example").unwrap()),
        ..x509.clone()
    });
    theirs.x509 = Some(X509 {
        chain: vec![server, authority.intermediate.clone()],
        ..x509
    });
    (ours, theirs)
}

fn site() -> (Keys, Keys) {
    let authority = Authority::new();
    let algorithms = [Signature::Es256; 2];
    site_of(&authority, &client_params(), &server_params(), algorithms)
}

fn ccm8() -> Config {
    config(CipherSuite::EcdheEcdsaAes128Ccm8)
}

type Large = Pair<8192>;

fn meet(keys: (Keys, Keys)) -> Large {
    let mut pair = Large::sized(&ccm8(), &ccm8(), keys);
    pair.run();
    pair
}

fn x509(keys: &mut Keys) -> &mut X509 {
    keys.x509.as_mut().unwrap()
}

/// Says that the client refuses the server for this reason, with this alert.
fn client_refuses(keys: (Keys, Keys), error: Error, alert: Alert) {
    let pair = meet(keys);
    assert_eq!(pair.client_error(), Some(error));
    assert_eq!(pair.server_closed(), Some(CloseReason::Alert(alert)));
    // Before the application was asked.
    assert_eq!(pair.client_keys.asked, 0);
}

fn server_refuses(keys: (Keys, Keys), error: Error, alert: Alert) {
    let pair = meet(keys);
    assert_eq!(pair.server_error(), Some(error));
    assert_eq!(pair.client_closed(), Some(CloseReason::Alert(alert)));
    assert_eq!(pair.server_keys.asked, 0);
}

#[test]
fn chains_of_either_algorithm_both_ways() {
    let authority = Authority::new();
    use Signature::{EdDsa, Es256};
    for suite in [
        CipherSuite::EcdheEcdsaAes128Ccm8,
        CipherSuite::EcdheEcdsaAes128Ccm,
    ] {
        for algorithms in [
            [Es256, Es256],
            [EdDsa, EdDsa],
            [Es256, EdDsa],
            [EdDsa, Es256],
        ] {
            let keys = site_of(&authority, &client_params(), &server_params(), algorithms);
            let mut pair = Large::sized(&config(suite), &config(suite), keys);
            pair.run();
            assert!(
                pair.both_established(),
                "{algorithms:?} {:?}",
                pair.client_error()
            );
            assert_eq!(pair.client.session().peer(), Peer::Key(0));
            assert_eq!(pair.server().session().peer(), Peer::Key(0));
            assert_eq!((pair.client_keys.chain, pair.server_keys.chain), (2, 2));
            let data = pair.seal(To::Client, b"data");
            assert_eq!(pair.give(To::Server, &data), [b"data"]);
        }
    }
}

#[test]
fn rfc5280_4_1_2_5_times() {
    for time in [in_2060, in_2001] {
        let (mut ours, theirs) = site();
        x509(&mut ours).time = time;
        client_refuses(
            (ours, theirs),
            Error::CertificateExpired,
            Alert::CERTIFICATE_EXPIRED,
        );
        let (ours, mut theirs) = site();
        x509(&mut theirs).time = time;
        server_refuses(
            (ours, theirs),
            Error::CertificateExpired,
            Alert::CERTIFICATE_EXPIRED,
        );
    }
}

#[test]
fn rfc9525_6_the_server_has_another_name_or_we_have_none_to_compare_with() {
    for name in [
        Some("lamp.example.org"),
        Some("192.0.2.1"),
        Some("example"),
        None,
    ] {
        let (mut ours, theirs) = site();
        x509(&mut ours).server_name = name.map(|name| ServerName::try_from(name).unwrap());
        client_refuses(
            (ours, theirs),
            Error::CertificateName,
            Alert::BAD_CERTIFICATE,
        );
    }
}

#[test]
fn rfc5280_4_2_1_12_certificates_for_another_use() {
    let authority = Authority::new();
    let sites = |client, server| site_of(&authority, &client, &server, [Signature::Es256; 2]);
    let server = usage(
        params(&["lamp.example"]),
        ExtendedKeyUsagePurpose::ClientAuth,
    );
    let alert = Alert::UNSUPPORTED_CERTIFICATE;
    client_refuses(
        sites(client_params(), server),
        Error::CertificatePurpose,
        alert,
    );
    let client = usage(params(&["client"]), ExtendedKeyUsagePurpose::ServerAuth);
    server_refuses(
        sites(client, server_params()),
        Error::CertificatePurpose,
        alert,
    );
    // Without any usage it is for all.
    let pair = meet(sites(params(&["client"]), params(&["lamp.example"])));
    assert!(pair.both_established());
    // An issuer is no end.
    let mut issuer = server_params();
    issuer.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    client_refuses(
        sites(client_params(), issuer),
        Error::CertificateInvalid,
        Alert::BAD_CERTIFICATE,
    );
}

#[test]
fn rfc5280_6_1_issuers_that_are_unknown_missing_or_none() {
    let other = Authority::named("other root");
    let (mut ours, theirs) = site();
    x509(&mut ours).anchors = X509::trusting(std::slice::from_ref(&other.root))
        .unwrap()
        .anchors;
    client_refuses((ours, theirs), Error::UnknownIssuer, Alert::UNKNOWN_CA);
    let (ours, mut theirs) = site();
    x509(&mut theirs).anchors.clear();
    server_refuses((ours, theirs), Error::UnknownIssuer, Alert::UNKNOWN_CA);

    // The intermediate is missing, or is that of another root with the same name.
    for intermediate in [None, Some(other.intermediate.clone())] {
        let (ours, mut theirs) = site();
        let chain = &mut x509(&mut theirs).chain;
        chain.truncate(1);
        chain.extend(intermediate);
        let pair = meet((ours, theirs));
        assert!(!pair.both_established());
        let errors = [Some(Error::UnknownIssuer), Some(Error::CertificateInvalid)];
        assert!(
            errors.contains(&pair.client_error()),
            "{:?}",
            pair.client_error()
        );
    }

    // Signed by itself.
    let (ours, mut theirs) = site();
    let key = KeyPair::generate().unwrap();
    let own = server_params().self_signed(&key).unwrap();
    x509(&mut theirs).chain = vec![own.der().clone()];
    theirs.own = Some(private_key(&key, Signature::Es256));
    client_refuses((ours, theirs), Error::UnknownIssuer, Alert::UNKNOWN_CA);

    // Signed by the end of another chain.
    let (ours, mut theirs) = site();
    let (_, server) = site_of(
        &other,
        &client_params(),
        &server_params(),
        [Signature::Es256; 2],
    );
    x509(&mut theirs).chain = server.x509.unwrap().chain;
    let pair = meet((ours, theirs));
    assert_eq!(pair.client_error(), Some(Error::UnknownIssuer));
}

#[test]
fn rfc5246_7_4_8_a_chain_is_worth_nothing_without_its_key() {
    let mut rng = ace_testkit::SeededRandom::new(1);
    let stranger = SigningKey::generate(Signature::Es256, &mut rng);
    let (ours, mut theirs) = site();
    theirs.own = Some(stranger.clone());
    assert_eq!(meet((ours, theirs)).client_error(), Some(Error::Signature));
    let (mut ours, theirs) = site();
    ours.own = Some(stranger);
    assert_eq!(meet((ours, theirs)).server_error(), Some(Error::Signature));
}

#[test]
fn the_application_decides_after_the_chain_was_verified() {
    let (mut ours, theirs) = site();
    ours.accepted.clear();
    let pair = meet((ours, theirs));
    assert_eq!(pair.client_error(), Some(Error::PeerKeyRefused));
    let (ours, mut theirs) = site();
    theirs.accepted.clear();
    let pair = meet((ours, theirs));
    assert_eq!(pair.server_error(), Some(Error::PeerKeyRefused));
    // Or later.
    let (ours, mut theirs) = site();
    theirs.pending = 1;
    let mut pair = meet((ours, theirs));
    assert!(pair.server().is_waiting());
}

#[test]
fn rfc5246_7_4_6_a_client_without_a_chain() {
    let (mut ours, theirs) = site();
    x509(&mut ours).chain.clear();
    let pair = meet((ours, theirs));
    assert_eq!(pair.server_error(), Some(Error::NoPeerKey));
    let (mut ours, theirs) = site();
    x509(&mut ours).chain.clear();
    let lax = Config {
        require_client_key: false,
        ..ccm8()
    };
    let mut pair = Large::sized(&ccm8(), &lax, (ours, theirs));
    pair.run();
    assert!(pair.both_established());
    assert_eq!(pair.server().session().peer(), Peer::Anonymous);
    // A server without one has no suite.
    let (ours, mut theirs) = site();
    x509(&mut theirs).chain.clear();
    assert_eq!(
        meet((ours, theirs)).server_error(),
        Some(Error::NoCommonSuite)
    );
}

#[test]
fn rfc7250_4_raw_public_keys_and_certificates_do_not_mix() {
    let (mut ours, theirs) = site();
    ours.x509 = None;
    let pair = meet((ours, theirs));
    assert_eq!(pair.server_error(), Some(Error::CertificateType));
    let (ours, mut theirs) = site();
    theirs.x509 = None;
    let pair = meet((ours, theirs));
    assert_eq!(pair.server_error(), Some(Error::CertificateType));
}

/// The Certificate of either side, changed.
fn tampered(keys: (Keys, Keys), of: To, change: impl Fn(&mut Vec<u8>)) -> Large {
    let mut pair = Large::sized(&ccm8(), &ccm8(), keys);
    let config = Config {
        mtu: 8_000,
        ..ccm8()
    };
    pair.client = {
        let mut rng = ace_testkit::SeededRandom::new(5);
        ace_dtls::Connection::client(&config, ace_dtls::Instant(0), &pair.client_keys, &mut rng)
            .unwrap()
    };
    pair.server_config = config;
    pair.run_with(|_, to, datagram| {
        if to != of {
            return;
        }
        let mut all = records(datagram);
        for record in &mut all {
            if let Some((11, seq, mut body)) = whole_message(record) {
                change(&mut body);
                *record = plain(22, 7, &message(11, seq, &body));
            }
        }
        *datagram = all.concat();
    });
    pair
}

#[test]
fn rfc5246_7_4_2_certificates_cut_at_any_byte_and_changed_at_any_byte() {
    let authority = Authority::new();
    let keys = |_| {
        site_of(
            &authority,
            &client_params(),
            &server_params(),
            [Signature::Es256; 2],
        )
    };
    assert!(tampered(keys(()), To::Client, |_| {}).both_established());
    let length = std::cell::Cell::new(usize::MAX);
    for to in [To::Client, To::Server] {
        tampered(keys(()), to, |body| {
            length.set(length.get().min(body.len()));
        });
    }
    let length = length.get();
    assert!(length > 600);
    for to in [To::Client, To::Server] {
        for at in (0..length).step_by(7).chain(0..12) {
            // The message alone is shorter; then with its lists to match.
            let cut = |body: &mut Vec<u8>| body.truncate(at);
            let fit = |body: &mut Vec<u8>| {
                body.truncate(at.max(6));
                let list = (body.len() - 3) as u32;
                body[..3].copy_from_slice(&list.to_be_bytes()[1..]);
                body[3..6].copy_from_slice(&(list - 3).to_be_bytes()[1..]);
            };
            let change = |body: &mut Vec<u8>| {
                let at = at.min(body.len() - 1);
                body[at] ^= 0x21;
            };
            for pair in [
                tampered(keys(()), to, cut),
                tampered(keys(()), to, fit),
                tampered(keys(()), to, change),
            ] {
                assert!(!pair.both_established(), "{to:?} {at}");
                let error = match to {
                    To::Client => pair.client_error(),
                    To::Server => pair.server_error(),
                };
                assert!(error.is_some(), "{to:?} {at}");
            }
        }
    }
}

#[test]
fn anchors_that_are_no_certificates() {
    let rubbish = CertificateDer::from(&[0x30, 3, 1, 2, 3][..]);
    let refused = X509::trusting(&[rubbish]).unwrap_err();
    assert_eq!(refused, Error::CertificateInvalid);
}
