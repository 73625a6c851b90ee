//! A token for a client of our authorization server, brought to the resource server (RFC 9200, 5.8; RFC 9203, 3 and 4).

use std::{fs, net::SocketAddr};

use ace_coap::{Code, OutMessage, option};
use ace_wire::{
    ace::{AccessInformation, AuthzInfoRequest, AuthzInfoResponse, Confirmation, TokenRequest},
    cbor::{Label, Writer},
    coap::{Uri, content_format},
};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use getrandom::rand_core::Rng as _;

use serde::Deserialize;

use crate::{
    arguments::Arguments,
    client::Client,
    keys::{Keys, Sequence},
    rng,
};

/// What is needed of a client's bundle.
#[derive(Deserialize)]
struct Bundle {
    r#as: Server,
}

#[derive(Deserialize)]
struct Server {
    uri: String,
    oscore: Keys,
}

/// This client's Recipient ID at the resource server, `ace_client_recipientid`.
const ID1: [u8; 1] = [0x51];

pub fn run(arguments: &mut Arguments) -> Result<()> {
    let path = arguments.path("--client")?;
    let audience = arguments.required("--audience")?;
    let rs: SocketAddr = arguments.required("--rs")?.parse()?;
    arguments.finish()?;

    let bundle = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let Bundle { r#as } = serde_json::from_slice(&bundle)?;
    let uri = Uri::parse(&r#as.uri)?;
    let server = (uri.host.parse::<std::net::IpAddr>()?, uri.port).into();
    let context = r#as.oscore.decode()?.context()?;
    let mut client = Client::new(server, context, Sequence::beside(&path))?;

    let mut payload = [0; 256];
    let asked = TokenRequest {
        audience: Some(&audience),
        ..Default::default()
    };
    let length = asked.encode(&mut payload)?;
    let request = post(uri.path, &payload[..length])?;
    let answer = client.transfer(&request, None)?;
    ensure!(
        answer.code == Code::CREATED,
        "{:?} from the AS: {}",
        answer.code,
        hex::encode(&answer.payload)
    );
    let information = AccessInformation::parse(&answer.payload)?;
    let Some(Confirmation::Osc(material)) = information.cnf else {
        bail!("no OSCORE input material in cnf");
    };

    let mut nonce1 = [0; 8];
    rng().fill_bytes(&mut nonce1);
    let upload = AuthzInfoRequest {
        access_token: information.access_token,
        nonce1: Some(&nonce1),
        client_recipient_id: Some(&ID1),
    };
    let mut payload = [0; 1024];
    let length = upload.encode(&mut payload)?;
    client.turn_to(rs);
    let answer = client.unprotected(&post("/authz-info", &payload[..length])?)?;
    ensure!(
        answer.code == Code::CREATED,
        "{:?} from the RS: {}",
        answer.code,
        hex::encode(&answer.payload)
    );
    let answer = AuthzInfoResponse::parse(&answer.payload)?;

    // RFC 9203, 4.3
    let number = |label: Option<Label<'_>>, default| match label {
        None => Ok(default),
        Some(Label::Int(number)) => Ok(number),
        Some(Label::Text(name)) => Err(anyhow!("algorithm {name}")),
    };
    let mut salt = [0; 256];
    let mut writer = Writer::new(&mut salt);
    for part in [material.salt.unwrap_or_default(), &nonce1, answer.nonce2] {
        writer.bytes(part)?;
    }
    let length = writer.finish();
    let keys = Keys {
        master_secret: hex::encode(material.ms.context("no Master Secret")?),
        master_salt: hex::encode(&salt[..length]),
        sender_id: hex::encode(answer.server_recipient_id),
        recipient_id: hex::encode(ID1),
        id_context: material.context_id.map(hex::encode),
        alg: number(material.alg, 10)?,
        hkdf: match number(material.hkdf, -10)? {
            5 => -10,
            7 => -11,
            other => other,
        },
    };
    serde_json::to_writer(std::io::stdout(), &keys)?;
    println!();
    Ok(())
}

fn post<'a>(path: &'a str, payload: &'a [u8]) -> Result<OutMessage<'a>> {
    let mut request = OutMessage::new(Code::POST).with_payload(payload);
    request.options.push_path(path)?;
    request
        .options
        .push(option::CONTENT_FORMAT, content_format::ACE_CBOR)?;
    Ok(request)
}
