//! No key is in anything that the programs say, however much they are asked to say.
//!
//! A whole session over OSCORE and one over DTLS run three times: with `-v`, with `-vv`, and with everything logged. All
//! that goes to standard output and standard error is kept, but for the bundles themselves, and searched for every key
//! that the session made.

mod dtls;
#[path = "../support/mod.rs"]
mod support;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use ace_as::{ClientBundle, OscoreBundle, RsBundle};
use ace_crypto::{Aead, Hkdf};
use ace_token::{TokenKey, TrustedKey};
use ace_wire::ace::Confirmation;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use support::text;

/// How much the programs are asked to say.
#[derive(Clone, Copy)]
struct Talk {
    flags: &'static [&'static str],
    log: Option<&'static str>,
}

struct Session {
    talk: Talk,
    folder: tempfile::TempDir,
    /// What was said, by whom.
    said: Vec<(String, Vec<u8>)>,
}

impl Session {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = support::ace();
        command
            .args(self.talk.flags)
            .args(words)
            .stdin(Stdio::null());
        if let Some(log) = self.talk.log {
            command.env("ACE_LOG", log);
        }
        command
    }

    /// Runs to the end; what is said is kept. A bundle goes to its file instead.
    fn run(&mut self, words: &[&str], bundle: Option<&Path>) -> String {
        let mut command = self.command(words);
        if let Some(path) = bundle {
            command.stdout(File::create(path).expect("made"));
        }
        let output = command.output().expect("runs");
        let name = words.join(" ");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_ne!(output.status.code(), Some(2), "{name}: {errors}");
        self.said.push((format!("{name}, output"), output.stdout));
        self.said.push((format!("{name}, errors"), output.stderr));
        errors
    }

    /// Runs in the background, saying what it says to a file.
    fn serve(&self, words: &[&str], log: &str) -> Background {
        let path = self.file(log);
        let file = File::create(&path).expect("made");
        let again = file.try_clone().expect("cloned");
        let child = self
            .command(words)
            .stdout(file)
            .stderr(again)
            .spawn()
            .expect("starts");
        let background = Background(child);
        let began = Instant::now();
        while !fs::read_to_string(&path)
            .expect("read")
            .contains("on coap://")
        {
            assert!(
                began.elapsed() < Duration::from_secs(10),
                "{} does not listen",
                words.join(" ")
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        background
    }

    /// A request by the client of a bundle; the tokens that were shown.
    fn ask(&mut self, words: &[&str], bundle: &Path) -> Vec<Vec<u8>> {
        let errors = self.run(&[words, &["--as", text(bundle)]].concat(), None);
        let shown = errors
            .lines()
            .filter_map(|line| line.split_once("ace token inspect "));
        let tokens = shown.map(|(_, token)| hex::decode(token.trim()).expect("hexadecimal"));
        tokens.collect()
    }

    fn inspect(&mut self, token: &[u8], rs: &Path) {
        let token = hex::encode(token);
        for more in [
            &[][..],
            &["--json"],
            &["--key", text(rs)],
            &["--key", text(rs), "--json"],
        ] {
            self.run(&[&["token", "inspect", &token], more].concat(), None);
        }
    }

    fn keep(&mut self, log: &str) {
        let said = fs::read(self.file(log)).expect("read");
        self.said.push((log.to_owned(), said));
    }
}

struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Session {
    fn new(talk: Talk) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self {
            talk,
            folder,
            said: Vec::new(),
        }
    }
}

/// A session of operator, device and client; returns it with the keys it made, by name.
fn play(talk: Talk) -> (Session, Vec<(String, Vec<u8>)>) {
    let mut s = Session::new(talk);
    let (listen, rs) = (
        support::free_pair().0.to_string(),
        support::free_address().to_string(),
    );
    let site = s.file("site");
    let site = text(&site);
    s.run(&["init", site, "--listen", &listen], None);
    let bundles = ["thermo", "alice", "bob"].map(|name| s.file(&format!("{name}.json")));
    let [thermo, alice, bob] = &bundles;
    s.run(&["rs", "add", "thermo", "--site", site], Some(thermo));
    s.run(&["client", "add", "alice", "--site", site], Some(alice));
    s.run(&["client", "add", "bob", "--site", site], Some(bob));
    s.run(
        &["client", "show", "alice", "--site", site],
        Some(&s.file("again.json")),
    );
    s.run(
        &["rs", "show", "thermo", "--site", site],
        Some(&s.file("again.json")),
    );
    s.run(
        &["grant", "alice", "thermo", "GET /temp", "--site", site],
        None,
    );

    let server = s.serve(&["serve", "--site", site], "as.log");
    let device = s.serve(&["rs", "serve", text(thermo), "--listen", &rs], "rs.log");
    let (temp, led) = (format!("coap://{rs}/temp"), format!("coap://{rs}/led"));
    let mut tokens = Vec::new();
    let mut ask = |s: &mut Session, words: &[&str], bundle: &Path| {
        tokens.extend(s.ask(words, bundle));
    };
    ask(&mut s, &["request", "GET", &temp], alice);
    ask(&mut s, &["request", "GET", &temp, "--json"], alice);
    ask(&mut s, &["request", "PUT", &led, "1"], alice);
    ask(&mut s, &["request", "GET", &temp], bob);
    s.run(
        &["grant", "alice", "thermo", "PUT /led", "--site", site],
        None,
    );
    ask(&mut s, &["request", "PUT", &led, "1"], alice);
    // The state is lost: another token, another key.
    fs::remove_file(s.file("alice.json.state")).expect("removed");
    std::thread::sleep(Duration::from_millis(300));
    ask(&mut s, &["request", "GET", &temp], alice);
    s.run(&["client", "list", "--site", site], None);
    s.run(&["client", "list", "--json", "--site", site], None);
    s.run(&["rs", "list", "--json", "--site", site], None);
    s.run(&["grant", "alice", "--json", "--site", site], None);
    s.run(&["client", "remove", "bob", "--site", site], None);
    ask(&mut s, &["request", "GET", &temp, "--timeout", "1"], bob);
    for token in &tokens {
        s.inspect(token, thermo);
    }
    drop((server, device));
    s.keep("as.log");
    s.keep("rs.log");

    let read = |path: &Path| fs::read_to_string(path).expect("read");
    let clients = [alice, bob].map(|path| ClientBundle::parse(&read(path)).expect("a bundle"));
    let thermo = RsBundle::parse(&read(thermo)).expect("a bundle");
    let mut secrets = Vec::new();
    let mut add = |name: &str, secret: &[u8]| secrets.push((name.to_owned(), secret.to_vec()));
    let parties = clients.iter().map(|c| (&c.name, &c.authorization_server));
    for (name, access) in parties.chain([(&thermo.name, &thermo.authorization_server)]) {
        let oscore = access.oscore.as_ref().expect("OSCORE");
        add(
            &format!("master secret of {name}"),
            oscore.master_secret.as_bytes(),
        );
        add(
            &format!("master salt of {name}"),
            oscore.master_salt.as_bytes(),
        );
        for id in [&oscore.sender_id.0, &oscore.recipient_id.0] {
            add(&format!("OSCORE key of {name}"), &oscore_key(oscore, id));
        }
    }
    let key = &thermo.token_keys[0];
    let k = key.secret().expect("shared").as_bytes();
    add("token key", k);
    let mut materials = 0;
    for token in &tokens {
        let trusted = [TrustedKey {
            kid: Some(&key.kid.0),
            issuer: &thermo.issuer,
            key: TokenKey::Aead(Aead::AesCcm16_64_128, k),
        }];
        let mut plain = [0; 1024];
        let opened = ace_token::open(token, &trusted, &mut plain).expect("opens");
        match opened.claims.cnf {
            Some(Confirmation::Osc(osc)) => {
                materials += 1;
                add("proof-of-possession key", osc.ms.expect("a secret"));
            }
            Some(Confirmation::Kid(_)) => {}
            other => panic!("cnf is {other:?}"),
        }
    }
    assert_eq!(
        materials, 2,
        "a token at first, and one after the state was lost"
    );
    assert!(tokens.len() > materials, "rights were updated");
    (s, secrets)
}

/// Sender or Recipient Key (RFC 8613, 3.2.1): info is [id, null, alg, "Key", length].
fn oscore_key(oscore: &OscoreBundle, id: &[u8]) -> [u8; 16] {
    let mut info = vec![0x85, 0x40 | u8::try_from(id.len()).expect("short")];
    info.extend(id);
    info.extend([0xf6, 0x0a, 0x63, b'K', b'e', b'y', 0x10]);
    let mut key = [0; 16];
    let (secret, salt) = (
        oscore.master_secret.as_bytes(),
        oscore.master_salt.as_bytes(),
    );
    Hkdf::Sha256
        .derive(secret, salt, &[&info], &mut key)
        .expect("derived");
    key
}

/// The forms in which bytes end up in a text.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let list = |shown: String| shown.trim_matches(['[', ']']).to_owned();
    let hex = hex::encode(secret);
    // Base64 of a text that holds the secret somewhere: by three alignments, without the characters that depend on the
    // bytes beside it.
    let embedded = (0..3).flat_map(|before| {
        let padded = [&vec![0; before][..], secret].concat();
        [
            STANDARD_NO_PAD.encode(&padded),
            URL_SAFE_NO_PAD.encode(&padded),
        ]
        .map(|text| text[(before * 8).div_ceil(6)..text.len() - 1].to_owned())
    });
    let mut forms: Vec<Vec<u8>> = embedded.map(String::into_bytes).collect();
    forms.extend([
        secret.to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        list(format!("{secret:?}")).into_bytes(),
        list(format!("{secret:x?}")).into_bytes(),
        list(format!("{secret:#x?}")).into_bytes(),
        secret.escape_ascii().to_string().into_bytes(),
    ]);
    forms
}

/// Each byte as the character of its number, so that the library's search for text does for bytes.
fn searchable(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn holds(text: &str, secret: &[u8]) -> bool {
    forms(secret)
        .iter()
        .any(|form| text.contains(&searchable(form)))
}

/// `bundle` holds the first of the secrets.
fn nothing_that_is_said_holds_a_key(
    (session, secrets): (Session, Vec<(String, Vec<u8>)>),
    bundle: &str,
    spoken: &[&str],
) {
    let said: Vec<_> = session
        .said
        .iter()
        .map(|(who, said)| (who, searchable(said)))
        .collect();
    let all: String = said.iter().map(|(_, said)| said.as_str()).collect();
    for (name, secret) in &secrets {
        if holds(&all, secret) {
            let who: Vec<_> = said
                .iter()
                .filter(|(_, said)| holds(said, secret))
                .collect();
            panic!("the {name} is shown: {who:?}");
        }
    }
    // The programs did speak, and of these things.
    for spoken in spoken {
        assert!(all.contains(spoken), "nobody said {spoken}");
    }
    assert!(all.contains("DEBUG"), "the log was not on");
    // The search finds what is there: the bundle holds this key.
    let (_, secret) = &secrets[0];
    let bundle = fs::read(session.file(bundle)).expect("read");
    assert!(holds(&searchable(&bundle), secret), "the search is blind");
}

fn over_oscore(talk: Talk) {
    let spoken = [
        "(secret, 16 bytes)",
        "token issued",
        "token in force",
        "inside: POST /token",
        "(4) access",
    ];
    nothing_that_is_said_holds_a_key(play(talk), "alice.json", &spoken);
}

fn over_dtls(talk: Talk) {
    let spoken = [
        "(secret, 16 bytes)",
        "token issued",
        "token in force",
        "token replaced",
        "session established",
        "handshake failed",
        "DTLS ClientHello",
        "COSE_Sign1",
        "inside: POST /token",
        "(4) handshake",
    ];
    nothing_that_is_said_holds_a_key(dtls::play(talk), "paula.json", &spoken);
}

const WITH_V: Talk = Talk {
    flags: &["-v"],
    log: None,
};
const WITH_VV: Talk = Talk {
    flags: &["-vv"],
    log: None,
};
const WITH_EVERYTHING_LOGGED: Talk = Talk {
    flags: &["-vv"],
    log: Some("trace"),
};

#[test]
fn with_v() {
    over_oscore(WITH_V);
}

#[test]
fn with_vv() {
    over_oscore(WITH_VV);
}

#[test]
fn with_everything_logged() {
    over_oscore(WITH_EVERYTHING_LOGGED);
}

#[test]
fn over_dtls_with_v() {
    over_dtls(WITH_V);
}

#[test]
fn over_dtls_with_vv() {
    over_dtls(WITH_VV);
}

#[test]
fn over_dtls_with_everything_logged() {
    over_dtls(WITH_EVERYTHING_LOGGED);
}

#[test]
fn the_search_finds_every_form() {
    let secret: Vec<u8> = (0xb0..0xc0).collect();
    let texts = [
        hex::encode(&secret),
        hex::encode_upper(&secret),
        STANDARD_NO_PAD.encode([b"a".as_slice(), &secret, b"b"].concat()),
        STANDARD_NO_PAD.encode([b"ab".as_slice(), &secret].concat()),
        URL_SAFE_NO_PAD.encode([&secret[..], b"bc"].concat()),
        format!("{secret:?}"),
        format!("{secret:x?}"),
        format!("Key {{ bytes: {:?} }}", secret.as_slice()),
        searchable(&secret),
    ];
    for text in texts {
        assert!(holds(&text, &secret), "{text}");
        assert!(!holds(&text, &[0xa5; 16]), "{text}");
    }
}
