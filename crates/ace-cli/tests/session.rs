//! The operator's session of the README, as written there, and what it leaves behind.

mod support;

use std::{
    io::{BufRead, BufReader},
    net::UdpSocket,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

const SECTION: &str = "## Your own authorization server in six commands";
const DTLS_SECTION: &str = "## The same over DTLS";
const AS_PORT: u16 = 5683;
const RS_PORT: u16 = 5700;
const DOOR_PORT: u16 = 5710;

/// The command lines of a section, without `cargo install`.
fn commands(section: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(path).expect("the README");
    let (_, section) = readme.split_once(section).expect("the section");
    let section = section.split("\n## ").next().expect("its text");
    let mut commands = Vec::new();
    for block in section.split("```sh\n").skip(1) {
        let block = block.split("```").next().expect("the block");
        let lines = block
            .lines()
            .filter(|line| !line.starts_with("cargo install"));
        commands.extend(lines.map(String::from));
    }
    commands
}

/// Another port where the one of the README, or the one after it for DTLS, is taken on this machine.
fn free(port: u16) -> u16 {
    let is_free = |port| UdpSocket::bind(("127.0.0.1", port)).is_ok();
    if is_free(port) && is_free(port + 1) {
        return port;
    }
    let other = support::free_pair().0.port();
    println!("port {port} is in use on this machine; the session runs on {other} instead");
    other
}

/// A shell in a folder of its own, with this `ace` first on the PATH.
struct Shell {
    folder: tempfile::TempDir,
    servers: Vec<Child>,
}

impl Shell {
    fn bash(&self, line: &str) -> Command {
        let bin = Path::new(env!("CARGO_BIN_EXE_ace"))
            .parent()
            .expect("a folder");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut bash = Command::new("bash");
        bash.args(["-c", line])
            .current_dir(&self.folder)
            .env("PATH", format!("{}:{path}", bin.display()))
            .env_remove("ACE_SITE")
            .env_remove("ACE_LOG")
            .stdin(Stdio::null());
        bash
    }

    fn run(&self, line: &str) -> Output {
        println!("$ {line}");
        let output = self.bash(line).output().expect("bash");
        print!("{}{}", utf8(&output.stdout), utf8(&output.stderr));
        output
    }

    fn ok(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", utf8(&output.stderr));
        utf8(&output.stdout)
    }

    /// Runs the line in the background until the shell is dropped; returns once it says that it listens on the port.
    fn serve(&mut self, line: &str, port: u16) {
        println!("$ {line} &");
        // A process group of its own, so that it ends whatever bash made of it.
        let child = self
            .bash(line)
            .process_group(0)
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.expect("bash");
        let mut said = BufReader::new(child.stderr.take().expect("piped")).lines();
        self.servers.push(child);
        let first = said.next().expect("a line").expect("text");
        println!("{first}");
        assert!(
            first.contains(&format!("on coap://127.0.0.1:{port}")),
            "{line}: {first}"
        );
        // The pipe must not fill up.
        std::thread::spawn(move || said.for_each(drop));
    }

    fn json(&self, name: &str) -> Value {
        let text = std::fs::read_to_string(self.folder.path().join(name)).expect("read");
        serde_json::from_str(&text).expect("JSON")
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        for child in &mut self.servers {
            let group = format!("-{}", child.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
            let _ = child.wait();
        }
    }
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[test]
fn the_session_of_the_readme_works_as_written() {
    let (as_port, rs_port) = (free(AS_PORT), free(RS_PORT));
    let mut shell = Shell {
        folder: tempfile::tempdir().expect("a folder"),
        servers: Vec::new(),
    };
    let commands = commands(SECTION);
    let mut seen = Vec::new();
    for command in &commands {
        let mut line = command.replace(&RS_PORT.to_string(), &rs_port.to_string());
        if as_port != AS_PORT && line.starts_with("ace init ./site") {
            line = line.replacen("./site", &format!("./site --listen 127.0.0.1:{as_port}"), 1);
        }
        let verb: Vec<_> = command.split(' ').take(3).collect();
        seen.push(verb.join(" "));
        match verb.as_slice() {
            ["ace", "serve", ..] => shell.serve(&line, as_port),
            ["ace", "rs", "serve"] => shell.serve(&line, rs_port),
            ["ace", "request", "GET"] => assert_eq!(shell.ok(&line), "22.5 C\n"),
            ["ace", "request", "PUT"] => refused_until_granted(&shell, &line),
            _ => drop(shell.ok(&line)),
        }
    }
    let expected = [
        "ace init ./site",
        "ace rs add",
        "ace client add",
        "ace grant alice",
        "ace serve --site",
        "ace rs serve",
        "ace request GET",
        "ace request PUT",
    ];
    assert_eq!(seen, expected);
    bundles_are_what_was_promised(&shell, as_port);
    files_are_private(
        &shell,
        &[
            "site",
            "ace.toml",
            "store.sqlite",
            "alice.json",
            "thermo.json",
            "alice.json.state",
        ],
    );
}

#[test]
fn the_session_over_dtls_works_as_written() {
    let (as_port, rs_port) = (support::free_pair().0.port(), free(DOOR_PORT));
    let mut shell = Shell {
        folder: tempfile::tempdir().expect("a folder"),
        servers: Vec::new(),
    };
    shell.ok(&format!("ace init ./site --listen 127.0.0.1:{as_port}"));
    shell.serve("ace serve --site ./site", as_port);
    let mut values = 0;
    for command in commands(DTLS_SECTION) {
        let line = command
            .replace(&(DOOR_PORT + 1).to_string(), &(rs_port + 1).to_string())
            .replace(&DOOR_PORT.to_string(), &rs_port.to_string());
        match command.split(' ').take(3).collect::<Vec<_>>().as_slice() {
            ["ace", "rs", "serve"] => shell.serve(&line, rs_port),
            ["ace", "request", "GET"] => {
                assert_eq!(shell.ok(&line), "22.5 C\n");
                values += 1;
            }
            _ => drop(shell.ok(&line)),
        }
    }
    assert_eq!(values, 2);
    dtls_bundles_are_what_was_promised(&shell, as_port);
    files_are_private(
        &shell,
        &[
            "site",
            "store.sqlite",
            "bob.json",
            "carol.json",
            "door.json",
            "bob.json.state",
        ],
    );
}

/// The names in the bundles of DTLS; byte strings in lower-case hexadecimal.
fn dtls_bundles_are_what_was_promised(shell: &Shell, as_port: u16) {
    let (bob, carol, door) = (
        shell.json("bob.json"),
        shell.json("carol.json"),
        shell.json("door.json"),
    );
    assert_eq!(
        keys(&door),
        ["name", "audience", "issuer", "profiles", "as", "token_keys"]
    );
    assert_eq!(
        door["profiles"],
        serde_json::json!(["coap_dtls-psk", "coap_dtls-rpk"])
    );
    for bundle in [&bob, &carol, &door] {
        let access = &bundle["as"];
        assert_eq!(keys(access), ["uri", "dtls"]);
        let uri = format!("coaps://127.0.0.1:{}/token", as_port + 1);
        assert_eq!(access["uri"], uri);
    }
    let psk = &bob["as"]["dtls"];
    assert_eq!(keys(psk), ["psk_identity", "psk"]);
    assert!(hex_len(&psk["psk_identity"]) > 0);
    assert_eq!(hex_len(&psk["psk"]), 16);
    for bundle in [&carol, &door] {
        let rpk = &bundle["as"]["dtls"];
        assert_eq!(keys(rpk), ["private_key", "public_key", "peer_public_key"]);
        assert_eq!(hex_len(&rpk["private_key"]), 32);
        // SubjectPublicKeyInfo on P-256 (RFC 5480, 2).
        assert_eq!(hex_len(&rpk["public_key"]), 91);
        assert_eq!(hex_len(&rpk["peer_public_key"]), 91);
    }
    let own = |bundle: &Value| bundle["as"]["dtls"]["public_key"].clone();
    let peer = |bundle: &Value| bundle["as"]["dtls"]["peer_public_key"].clone();
    assert_eq!(
        peer(&carol),
        peer(&door),
        "the key of the authorization server"
    );
    assert_ne!(own(&carol), own(&door));
}

/// Refused with a sentence that names the command which would allow it; and it does.
fn refused_until_granted(shell: &Shell, line: &str) {
    let sentence = support::one_sentence(1, &shell.run(line), line);
    assert!(
        sentence.starts_with("ace: PUT /led refused: "),
        "{sentence}"
    );
    assert!(sentence.contains("4.03 Forbidden"), "{sentence}");
    let grant = sentence.split('`').nth(1).expect("a command");
    assert_eq!(grant, "ace grant alice thermo 'PUT /led' --site DIR");
    let granted = shell.ok(&grant.replace("DIR", "./site"));
    assert_eq!(granted, "alice may PUT /led; GET /temp at thermo\n");
    assert_eq!(shell.ok(line), "2.04 Changed\n");
}

/// The JSON of the bundles, name by name and in order; byte strings in lower-case hexadecimal.
fn bundles_are_what_was_promised(shell: &Shell, as_port: u16) {
    let (alice, thermo) = (shell.json("alice.json"), shell.json("thermo.json"));
    assert_eq!(keys(&alice), ["name", "as"]);
    assert_eq!(
        keys(&thermo),
        ["name", "audience", "issuer", "as", "token_keys"]
    );
    assert_eq!(alice["name"], "alice");
    assert_eq!(thermo["name"], "thermo");
    assert_eq!(thermo["audience"], "thermo");
    let origin = format!("coap://127.0.0.1:{as_port}");
    assert_eq!(thermo["issuer"], origin);
    for bundle in [&alice, &thermo] {
        let access = &bundle["as"];
        assert_eq!(keys(access), ["uri", "oscore"]);
        assert_eq!(access["uri"], format!("{origin}/token"));
        let oscore = &access["oscore"];
        let names = [
            "master_secret",
            "master_salt",
            "sender_id",
            "recipient_id",
            "id_context",
            "alg",
            "hkdf",
        ];
        assert_eq!(keys(oscore), names);
        assert_eq!(hex_len(&oscore["master_secret"]), 16);
        assert_eq!(hex_len(&oscore["master_salt"]), 8);
        assert!(hex_len(&oscore["sender_id"]) > 0);
        assert_ne!(oscore["sender_id"], oscore["recipient_id"]);
        assert!(oscore["id_context"].is_null());
        assert_eq!(
            (&oscore["alg"], &oscore["hkdf"]),
            (&10.into(), &(-10).into())
        );
    }
    let secret = |bundle: &Value| bundle["as"]["oscore"]["master_secret"].clone();
    assert_ne!(secret(&alice), secret(&thermo));
    // Ids are from the device's side: the AS sends to both under one id, they send under their own.
    let id = |bundle: &Value, which: &str| bundle["as"]["oscore"][which].clone();
    assert_ne!(id(&alice, "sender_id"), id(&thermo, "sender_id"));
    assert_eq!(id(&alice, "recipient_id"), id(&thermo, "recipient_id"));
    let token_keys = thermo["token_keys"].as_array().expect("an array");
    assert_eq!(token_keys.len(), 1);
    assert_eq!(keys(&token_keys[0]), ["kid", "alg", "k"]);
    assert_eq!(token_keys[0]["alg"], 10);
    assert_eq!(hex_len(&token_keys[0]["k"]), 16);

    // Printed again, they are the same.
    for (kind, name) in [("client", "alice"), ("rs", "thermo")] {
        let again = shell.ok(&format!("ace {kind} show {name} --site ./site"));
        let again: Value = serde_json::from_str(&again).expect("JSON");
        assert_eq!(again, shell.json(&format!("{name}.json")));
    }
}

fn keys(object: &Value) -> Vec<&str> {
    object
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect()
}

fn hex_len(value: &Value) -> usize {
    let text = value.as_str().expect("text");
    assert_eq!(text, text.to_lowercase());
    hex::decode(text).expect("hexadecimal").len()
}

/// Everything that holds keys or goes with them, bundles included though the shell made their files.
fn files_are_private(shell: &Shell, expected: &[&str]) {
    let mut private = Vec::new();
    for folder in [shell.folder.path(), &shell.folder.path().join("site")] {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let entry = entry.expect("an entry");
            let metadata = entry.metadata().expect("metadata");
            let mode = metadata.permissions().mode() & 0o777;
            let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode, expected, "{:?} has mode {mode:o}", entry.path());
            private.push(entry.file_name().into_string().expect("text"));
        }
    }
    for name in expected {
        assert!(
            private.iter().any(|found| found == name),
            "{name} not in {private:?}"
        );
    }
}
