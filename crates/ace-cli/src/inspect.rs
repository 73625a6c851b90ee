//! `ace token inspect`: what a token says, in words and in CBOR diagnostic notation.

use std::{
    fmt::Write as _,
    io::Read as _,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ace_as::RsBundle;
use ace_token::{ClaimError, Opened, Validation};
use ace_wire::{
    ace::{Confirmation, Profile, Scope},
    aif::Aif,
    cose::{self, algorithm_name, algorithm_number},
    cwt::{ClaimsSet, NumericDate},
    diag::{Context, Diagnostic},
};
use base64::Engine as _;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{
    args::Token,
    bundle,
    failure::Failure,
    output::{Output, print, print_json},
};

/// Longest token, as hex or as bytes.
const MAX_INPUT: u64 = 64 * 1024;

/// Runs `ace token …`.
pub fn token(command: &Token, output: &Output) -> Result<(), Failure> {
    let Token::Inspect { token, key, json } = command;
    let bytes = read_token(token)?;
    let message = cose::Message::parse(&bytes).map_err(|error| {
        Failure::setup(format!(
            "this is no token in COSE_Encrypt0, COSE_Mac0 or COSE_Sign1 ({error}); expected hex, base64url, or a file"
        ))
    })?;
    let mut plaintext = Zeroizing::new(vec![0; bytes.len()]);
    let bundle = key.as_deref().map(bundle::read_rs).transpose()?;
    let keys = bundle.as_ref().map(bundle::trusted_keys).transpose()?;
    let opened = keys
        .as_deref()
        .map(|keys| ace_token::open(&bytes, keys, &mut plaintext))
        .transpose()
        .map_err(|error| {
            Failure::refused(format!(
                "the bundle does not open this token: {error}; leave --key out to see what anyone can read of it"
            ))
        })?;
    let verdict = opened
        .as_ref()
        .zip(bundle.as_ref())
        .map(|(opened, bundle)| verdict(opened, bundle));
    let report = Report {
        bytes: &bytes,
        message,
        opened,
        verdict,
    };
    if *json {
        print_json(&report.json())
    } else {
        print(report.words(output).trim_end())
    }
}

fn verdict(opened: &Opened<'_>, bundle: &RsBundle) -> Result<(), ClaimError> {
    let audience = [bundle.audience.as_str()];
    let validation = Validation {
        issuer: opened.issuer,
        audience: &audience,
        now: ace_net::wall_clock(),
        leeway: 0,
    };
    validation.validate(&opened.claims)
}

fn read_token(argument: &str) -> Result<Vec<u8>, Failure> {
    let path = Path::new(argument);
    let (raw, name) = if argument == "-" {
        let stdin = std::io::stdin().lock();
        (
            read_up_to_limit(stdin, Path::new("standard input"))?,
            "standard input",
        )
    } else if path.is_file() {
        let file = std::fs::File::open(path);
        let file = file.map_err(|error| Failure::file("read", path, &error))?;
        (read_up_to_limit(file, path)?, argument)
    } else {
        (argument.as_bytes().to_vec(), "")
    };
    let Ok(text) = std::str::from_utf8(&raw) else {
        return Ok(raw);
    };
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    // As tools print it: 0x…, or diagnostic notation.
    let digits = text
        .strip_prefix("h'")
        .and_then(|text| text.strip_suffix('\''));
    let digits = digits.or_else(|| text.strip_prefix("0x")).unwrap_or(&text);
    if let Ok(bytes) = hex::decode(digits) {
        return Ok(bytes);
    }
    let base64 = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    base64.decode(text.trim_end_matches('=')).map_err(|_| {
        Failure::setup(match name {
            "" => format!("{argument:.40} is no file, and neither hex nor base64url; check the path or copy all of it"),
            name => format!("{name} holds neither hex nor base64url nor the bytes of a token; check that it is one"),
        })
    })
}

fn read_up_to_limit(from: impl std::io::Read, path: &Path) -> Result<Vec<u8>, Failure> {
    let mut raw = Vec::new();
    let read = from.take(MAX_INPUT + 1).read_to_end(&mut raw);
    read.map_err(|error| Failure::file("read", path, &error))?;
    if raw.len() as u64 > MAX_INPUT {
        return Err(Failure::setup(format!(
            "{} is longer than any token ({MAX_INPUT} bytes); check that it is one",
            path.display()
        )));
    }
    Ok(raw)
}

struct Report<'a> {
    bytes: &'a [u8],
    message: cose::Message<'a>,
    opened: Option<Opened<'a>>,
    verdict: Option<Result<(), ClaimError>>,
}

impl Report<'_> {
    fn structure(&self) -> &'static str {
        match self.message {
            cose::Message::Encrypt0(_) => "COSE_Encrypt0",
            cose::Message::Mac0(_) => "COSE_Mac0",
            cose::Message::Sign1(_) => "COSE_Sign1",
        }
    }

    fn algorithm(&self) -> Option<(i64, &'static str)> {
        let number = self.message.header().alg.and_then(algorithm_number)?;
        Some((number, algorithm_name(number).unwrap_or("unregistered")))
    }

    /// Claims that can be read: of an opened token, or of one that is signed or authenticated only.
    fn claims(&self) -> Option<(ClaimsSet<'_>, bool)> {
        if let Some(opened) = &self.opened {
            return Some((opened.claims, true));
        }
        let payload = match &self.message {
            cose::Message::Encrypt0(_) => return None,
            cose::Message::Mac0(mac0) => mac0.payload,
            cose::Message::Sign1(sign1) => sign1.payload,
        };
        ClaimsSet::parse(payload).ok().map(|claims| (claims, false))
    }

    fn unreadable(&self) -> &'static str {
        match self.message {
            cose::Message::Encrypt0(_) => {
                "encrypted; --key with the resource server's bundle shows them"
            }
            _ => "none: what is protected here is not a claims set",
        }
    }

    fn words(&self, output: &Output) -> String {
        let mut text = String::new();
        let header = self.message.header();
        let _ = writeln!(
            text,
            "{}, {} bytes",
            output.bold(self.structure()),
            self.bytes.len()
        );
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "  {name:<12}{value}");
        };
        if let Some((number, name)) = self.algorithm() {
            line("algorithm", format!("{name} ({number})"));
        }
        if let Some(kid) = header.kid {
            line("key id", format!("h'{}'", hex::encode(kid)));
        }
        if let Some(iv) = header.iv {
            line("nonce", format!("h'{}'", hex::encode(iv)));
        }
        match self.claims() {
            None => line("claims", self.unreadable().into()),
            Some((claims, verified)) => {
                let (word, paint): (_, fn(Output, &str) -> String) = match (verified, self.verdict)
                {
                    (true, Some(Ok(()))) => ("opened with the key, and valid now", Output::good),
                    (true, Some(Err(_))) => ("opened with the key, but refused", Output::bad),
                    _ => (
                        "readable by anyone; NOT verified, since no --key was given",
                        Output::bad,
                    ),
                };
                line("claims", paint(*output, word));
                if let Some(Err(error)) = self.verdict {
                    line(
                        "refused",
                        format!("{error}: the resource server answers {}", error.code()),
                    );
                }
                for (name, value) in claim_words(&claims) {
                    line(name, value);
                }
            }
        }
        let _ = writeln!(text, "\n{}", output.bold("In CBOR diagnostic notation"));
        let _ = writeln!(
            text,
            "{:#}",
            Diagnostic::new(self.bytes)
                .context(Context::Cose)
                .redacted()
        );
        if let (Some((claims, _)), cose::Message::Encrypt0(_)) = (self.claims(), &self.message) {
            let encoded = encoded(&claims);
            let _ = writeln!(text, "\n{}", output.bold("Inside it"));
            let _ = writeln!(
                text,
                "{:#}",
                Diagnostic::new(&encoded)
                    .context(Context::ClaimsSet)
                    .redacted()
            );
        }
        text
    }

    fn json(&self) -> Value {
        let header = self.message.header();
        let claims = self.claims();
        let mut object = json!({
            "structure": self.structure(),
            "bytes": self.bytes.len(),
            "alg": self.algorithm().map(|(number, _)| number),
            "kid": header.kid.map(hex::encode),
            "iv": header.iv.map(hex::encode),
            "verified": claims.is_some_and(|(_, verified)| verified),
            "refused": self.verdict.and_then(Result::err).map(|error| error.to_string()),
            "diagnostic": Diagnostic::new(self.bytes).context(Context::Cose).redacted().to_string(),
        });
        if let Some((claims, _)) = claims {
            let date = |date: Option<NumericDate>| date.map(NumericDate::seconds);
            object["claims"] = json!({
                "iss": claims.iss,
                "sub": claims.sub,
                "aud": claims.aud.map(|aud| aud.iter().map(String::from).collect::<Vec<_>>()),
                "exp": date(claims.exp),
                "nbf": date(claims.nbf),
                "iat": date(claims.iat),
                "exi": claims.exi,
                "cti": claims.cti.map(hex::encode),
                "cnonce": claims.cnonce.map(hex::encode),
                "ace_profile": claims.ace_profile,
                "scope": claims.scope.map(|scope| scope_words(&scope)),
                "cnf": claims.cnf.map(|cnf| cnf_words(&cnf)),
            });
        }
        object
    }
}

/// The claims once more as CBOR, in a buffer that is wiped.
fn encoded(claims: &ClaimsSet<'_>) -> Zeroizing<Vec<u8>> {
    let mut buffer = Zeroizing::new(vec![0; 4096]);
    let length = claims.encode(&mut buffer).unwrap_or(0);
    buffer.truncate(length);
    buffer
}

fn claim_words(claims: &ClaimsSet<'_>) -> Vec<(&'static str, String)> {
    let mut words = Vec::new();
    let mut add = |name, value: Option<String>| words.extend(value.map(|value| (name, value)));
    add("issuer", claims.iss.map(String::from));
    add("subject", claims.sub.map(String::from));
    add(
        "audience",
        claims
            .aud
            .map(|aud| aud.iter().collect::<Vec<_>>().join(", ")),
    );
    add("issued", claims.iat.map(date_words));
    add("not before", claims.nbf.map(date_words));
    add("expires", claims.exp.map(date_words));
    add(
        "lifetime",
        claims
            .exi
            .map(|exi| format!("{exi} s from when the resource server first sees it (exi)")),
    );
    add("scope", claims.scope.map(|scope| scope_words(&scope)));
    add("pop key", claims.cnf.map(|cnf| cnf_words(&cnf)));
    add(
        "token id",
        claims.cti.map(|cti| format!("h'{}'", hex::encode(cti))),
    );
    add(
        "nonce of RS",
        claims
            .cnonce
            .map(|nonce| format!("h'{}'", hex::encode(nonce))),
    );
    add(
        "profile",
        claims.ace_profile.map(|number| {
            Profile::from_number(number).map_or(number.to_string(), |p| p.name().into())
        }),
    );
    words
}

/// A scope for people: `GET /temp; GET, PUT /led`, or its names.
pub fn scope_words(scope: &Scope<'_>) -> String {
    match scope {
        Scope::Text(text) => (*text).into(),
        Scope::Bytes(bytes) => match Aif::parse(bytes) {
            Ok(aif) => {
                let entries: Vec<_> = aif
                    .iter()
                    .map(|(path, methods)| format!("{methods} {path}"))
                    .collect();
                entries.join("; ")
            }
            Err(_) => format!("h'{}'", hex::encode(bytes)),
        },
    }
}

fn cnf_words(cnf: &Confirmation<'_>) -> String {
    match cnf {
        Confirmation::Kid(kid) => format!("the key already known as h'{}'", hex::encode(kid)),
        Confirmation::Osc(osc) => {
            format!(
                "OSCORE input material h'{}' (its secret is not shown)",
                hex::encode(osc.id.unwrap_or(&[]))
            )
        }
        Confirmation::CoseKey(key) => format!("a COSE_Key, {:?}", key.kty),
        Confirmation::EncryptedCoseKey(_) => "an encrypted COSE_Key".into(),
    }
}

fn date_words(date: NumericDate) -> String {
    let seconds = date.seconds();
    // Up to the year 9999.
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    let Some(time) = time.filter(|_| seconds < 253_402_300_800) else {
        return format!("{seconds} s after 1970");
    };
    let stamp = humantime::format_rfc3339_seconds(time);
    match time.duration_since(SystemTime::now()) {
        Ok(ahead) => format!("{stamp}, in {}", span_words(ahead.as_secs())),
        Err(past) => format!("{stamp}, {} ago", span_words(past.duration().as_secs())),
    }
}

/// The two largest units of a time span: `1 h 59 min`.
fn span_words(seconds: u64) -> String {
    const UNITS: [(u64, &str, &str); 5] = [
        (365 * 86_400, "year", "years"),
        (86_400, "day", "days"),
        (3600, "h", "h"),
        (60, "min", "min"),
        (1, "s", "s"),
    ];
    let largest = UNITS.iter().position(|(unit, ..)| seconds >= *unit);
    let mut rest = seconds;
    let mut words = Vec::new();
    for (unit, one, many) in UNITS
        .iter()
        .skip(largest.unwrap_or(UNITS.len() - 1))
        .take(2)
    {
        let count = rest / unit;
        rest %= unit;
        if count > 0 || words.is_empty() {
            words.push(format!("{count} {}", if count == 1 { one } else { many }));
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_said_in_its_two_largest_units() {
        for (seconds, words) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3599, "59 min 59 s"),
            (7199, "1 h 59 min"),
            (3605, "1 h"),
            (90_000, "1 day 1 h"),
            (11 * 365 * 86_400 + 86_400 * 13, "11 years 13 days"),
        ] {
            assert_eq!(span_words(seconds), words);
        }
    }
}
