//! `ace demo`, for people and for programs.

mod support;

use serde_json::Value;

const STEPS: [(&str, &str); 7] = [
    ("hints", "4.01"),
    ("token", "2.01"),
    ("upload", "2.01"),
    ("access", "2.05"),
    ("denied", "4.03"),
    ("replay", "4.01"),
    ("expired", "4.01"),
];

#[test]
fn json_is_one_object_with_the_seven_steps() {
    let steps = steps(&["demo", "--json"]);
    let bytes = |name: &str, which: &str| bytes(&steps, name, which);
    // The same datagram again, and one of the same request.
    assert_eq!(
        bytes("replay", "request_bytes"),
        bytes("access", "request_bytes")
    );
    assert_eq!(
        bytes("expired", "request_bytes"),
        bytes("access", "request_bytes")
    );
    // Token and key come back from the AS; the token without the key, with nonce and id, goes to the RS.
    assert!(bytes("token", "response_bytes") > bytes("upload", "request_bytes"));
    assert!(bytes("upload", "request_bytes") > 100);
    // GET /temp with 8 bytes of tag and an OSCORE option.
    assert!(bytes("access", "request_bytes") < 48);
}

#[test]
fn the_steps_are_the_same_over_dtls() {
    for profile in ["coap_dtls-psk", "coap_dtls-rpk"] {
        let steps = steps(&["demo", "--json", "--profile", profile]);
        let bytes = |name: &str, which: &str| bytes(&steps, name, which);
        // A handshake goes before.
        assert!(bytes("access", "request_bytes") > bytes("denied", "request_bytes") + 100);
        assert!(bytes("token", "request_bytes") > 200);
        // GET /temp in a record: 13 bytes of header, 16 of nonce and tag.
        assert!(bytes("denied", "request_bytes") < 64);
        // The record, and the same request in the clear.
        assert!(bytes("replay", "request_bytes") > 48);
    }
}

/// The steps that a run prints, checked for what holds of all.
fn steps(words: &[&str]) -> Vec<Value> {
    let text = support::ok(words);
    let report: Value = serde_json::from_str(&text).expect("one object");
    let names: Vec<_> = report.as_object().expect("an object").keys().collect();
    assert_eq!(names, ["ok", "steps"]);
    assert_eq!(report["ok"], true);
    let steps = report["steps"].as_array().expect("an array");
    let found: Vec<_> = steps
        .iter()
        .map(|step| {
            (
                step["name"].as_str().expect("text"),
                step["code"].as_str().expect("text"),
            )
        })
        .collect();
    assert_eq!(found, STEPS);
    for step in steps {
        let keys: Vec<_> = step.as_object().expect("an object").keys().collect();
        assert_eq!(
            keys,
            ["name", "code", "request_bytes", "response_bytes", "ms"]
        );
    }
    for (name, _) in STEPS {
        let (sent, received) = (
            bytes(steps, name, "request_bytes"),
            bytes(steps, name, "response_bytes"),
        );
        // More than a CoAP header with its token, less than a datagram.
        assert!(
            (12..1152).contains(&sent) && (12..1152).contains(&received),
            "{name}: {sent}, {received}"
        );
        let step = steps
            .iter()
            .find(|step| step["name"] == name)
            .expect("a step");
        let ms = step["ms"].as_f64().expect("a number");
        assert!((0.0..3000.0).contains(&ms), "{name}: {ms} ms");
    }
    steps.clone()
}

fn bytes(steps: &[Value], name: &str, which: &str) -> u64 {
    let step = steps
        .iter()
        .find(|step| step["name"] == name)
        .expect("a step");
    step[which].as_u64().expect("a number")
}

#[test]
fn people_see_each_step_and_with_v_each_message() {
    let oscore = ["(1) hints: ", "(2) token: ", "(3) upload: ", "(4) access: "];
    people_see("coap_oscore", "OSCORE", &oscore);
    let dtls = [
        "(1) hints: ",
        "(2) token: ",
        "DTLS ClientHello",
        "DTLS HelloVerifyRequest",
        "ServerHelloDone",
        "inside: POST /token",
        "(3) upload: ",
        "(4) handshake: ",
        "(5) access: ",
        "inside: GET /temp",
    ];
    people_see("coap_dtls-psk", "DTLS", &dtls);
    people_see("coap_dtls-rpk", "DTLS", &dtls);
}

fn people_see(profile: &str, lock: &str, told: &[&str]) {
    let output = support::run(&["demo", "-v", "--profile", profile]);
    let shown = String::from_utf8(output.stdout).expect("text");
    let messages = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{messages}");
    let lines: Vec<_> = shown.lines().collect();
    let mut from = 0;
    for (name, code) in STEPS {
        let begins = format!("{name:7}   |-- ");
        let at = lines
            .iter()
            .skip(from)
            .position(|line| line.starts_with(&begins));
        from += at.unwrap_or_else(|| panic!("no {name} in {shown}")) + 1;
        let [back, words] = lines[from..from + 2] else {
            unreachable!("two lines")
        };
        assert!(back.contains(&format!(" {code} --|")), "{back}");
        assert!(words.starts_with(&format!("          {code}: ")), "{words}");
    }
    let moral = "the device decided alone: by the token it was given, offline from the AS";
    assert_eq!(lines.last(), Some(&moral));
    assert!(!shown.contains('\x1b'), "coloured without a terminal");
    assert!(shown.contains(&format!("GET /temp ({lock})")), "{shown}");
    let mut rest = messages.as_str();
    for part in told {
        let at = rest.find(part);
        let at = at.unwrap_or_else(|| panic!("no {part} in order in {messages}"));
        rest = &rest[at..];
    }
}
