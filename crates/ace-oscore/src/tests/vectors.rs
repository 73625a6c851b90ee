//! RFC 8613, appendix C.

use std::vec::Vec;

use ace_crypto::{Aead, Hkdf, Secret};
use ace_wire::coap::Message;
use serde_json::Value;

use crate::{
    OscoreOption, Parameters, PartialIv, SEQUENCE_LIMIT, SecurityContext, Unprotected,
    cose::{aad, nonce},
};

struct Vector(Value);

impl Vector {
    fn of(section: &str) -> Self {
        let all: Value =
            serde_json::from_str(include_str!("../../tests/vectors/rfc8613-appendix-c.json"))
                .unwrap();
        let vector = all["vectors"]
            .as_array()
            .unwrap()
            .iter()
            .find(|v| v["section"] == section)
            .unwrap();
        Self(vector["fields"].clone())
    }

    fn find(&self, name: &str) -> Option<Vec<u8>> {
        Some(hex::decode(self.0.get(name)?.as_str()?).unwrap())
    }

    fn get(&self, name: &str) -> Vec<u8> {
        self.find(name).unwrap()
    }
}

fn context(section: &str) -> SecurityContext {
    let vector = Vector::of(section);
    let mut context = SecurityContext::derive(&Parameters {
        master_secret: &vector.get("Master Secret"),
        master_salt: &vector.find("Master Salt").unwrap_or_default(),
        sender_id: &vector.get("Sender ID"),
        recipient_id: &vector.get("Recipient ID"),
        id_context: vector.find("ID Context").as_deref(),
        aead: Aead::AesCcm16_64_128,
        hkdf: Hkdf::Sha256,
    })
    .unwrap();
    context.reserve_up_to(SEQUENCE_LIMIT);
    context
}

#[test]
fn rfc8613_c_1_to_c_3_key_derivation() {
    for section in ["C.1.1", "C.1.2", "C.2.1", "C.2.2", "C.3.1", "C.3.2"] {
        let vector = Vector::of(section);
        let context = context(section);
        let zero = PartialIv::new(0).unwrap();
        assert_eq!(context.sender_key.as_bytes(), vector.get("Sender Key"));
        assert_eq!(
            context.recipient_key.as_bytes(),
            vector.get("Recipient Key")
        );
        assert_eq!(context.common_iv.as_bytes(), vector.get("Common IV"));
        assert_eq!(
            nonce(&context.common_iv, context.sender_id(), zero).as_bytes(),
            match section {
                "C.2.2" => hex::decode("bf35ae297d2dace810c52e99f9").unwrap(),
                _ => vector.get("sender nonce"),
            },
            "{section}"
        );
        assert_eq!(
            nonce(&context.common_iv, context.recipient_id(), zero).as_bytes(),
            vector.get("recipient nonce"),
            "{section}"
        );
    }
}

#[test]
fn rfc8613_c_4_to_c_6_request() {
    for (section, client, server) in [
        ("C.4", "C.1.1", "C.1.2"),
        ("C.5", "C.2.1", "C.2.2"),
        ("C.6", "C.3.1", "C.3.2"),
    ] {
        let vector = Vector::of(section);
        let mut client = context(client);
        let mut server = context(server);
        let original = vector.get("Unprotected CoAP request");
        let original = Message::parse(&original).unwrap();
        let protected = vector.get("Protected CoAP request (OSCORE message)");

        let piv = PartialIv::new(0x14).unwrap();
        assert_eq!(
            aad(client.aead, client.sender_id(), piv)
                .unwrap()
                .as_bytes(),
            vector.get("AAD")
        );
        let nonce = nonce(&client.common_iv, client.sender_id(), piv);
        assert_eq!(nonce, Secret::new(&vector.get("nonce")).unwrap());

        client.resume(20);
        client.reserve_up_to(SEQUENCE_LIMIT);
        let mut out = [0; 100];
        let (len, binding) = client
            .protect_request(&original, section == "C.6", &mut out)
            .unwrap();
        assert_eq!(hex::encode(&out[..len]), hex::encode(&protected));
        assert_eq!(binding.partial_iv(), 20);

        let message = Message::parse(&protected).unwrap();
        let option = OscoreOption::of(&message).unwrap();
        let mut encoded = [0; 20];
        let encoded_len = option.encode(&mut encoded).unwrap();
        assert_eq!(encoded[..encoded_len], vector.get("OSCORE option value"));
        assert!(server.matches(&option));
        let mut rng = crate::tests::Rng(1);
        let mut plain = std::vec![0; protected.len()];
        let Unprotected::Request { message, .. } = server
            .unprotect_request(&option, &message, &mut rng, &mut plain)
            .unwrap()
        else {
            panic!("challenged")
        };
        assert_eq!(message.code, original.code);
        assert_eq!(message.id, original.id);
        assert_eq!(message.token, original.token);
        assert_eq!(message.options, original.options);
        assert_eq!(message.payload, original.payload);
    }
}

#[test]
fn rfc8613_c_7_and_c_8_response() {
    for section in ["C.7", "C.8"] {
        let request = Vector::of("C.4");
        let vector = Vector::of(section);
        let mut client = context("C.1.1");
        let mut server = context("C.1.2");
        client.resume(20);
        client.reserve_up_to(SEQUENCE_LIMIT);

        let original = request.get("Unprotected CoAP request");
        let mut out = [0; 100];
        let (len, mut binding) = client
            .protect_request(&Message::parse(&original).unwrap(), false, &mut out)
            .unwrap();
        let message = Message::parse(&out[..len]).unwrap();
        let option = OscoreOption::of(&message).unwrap();
        let mut plain = [0; 100];
        let Unprotected::Request {
            binding: mut server_binding,
            ..
        } = server
            .unprotect_request(&option, &message, &mut crate::tests::Rng(1), &mut plain)
            .unwrap()
        else {
            panic!("challenged")
        };

        if section == "C.8" {
            // Whoever has used the request's nonce takes a Partial IV.
            assert!(server.window.claim_nonce(20));
        }
        let original = vector.get("Unprotected CoAP response");
        let original = Message::parse(&original).unwrap();
        let len = server
            .protect_response(&mut server_binding, &original, &mut out)
            .unwrap();
        assert_eq!(
            hex::encode(&out[..len]),
            hex::encode(vector.get("Protected CoAP response (OSCORE message)"))
        );

        let message = Message::parse(&out[..len]).unwrap();
        let answer = client
            .unprotect_response(&mut binding, &message, &mut plain)
            .unwrap();
        assert_eq!(answer.code, original.code);
        assert_eq!(answer.options, original.options);
        assert_eq!(answer.payload, b"Hello World!");
        assert!(binding.is_closed());
    }
}
