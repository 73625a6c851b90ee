//! What a newcomer meets: help with an example for every verb, completions, `--json`, colour.

mod support;

use std::process::{Command, Stdio};

use serde_json::Value;
use support::{Site, ace, ok, run, text};

/// The verbs below a verb, as its help lists them.
fn verbs_below(verb: &[&str]) -> Vec<String> {
    let help = ok(&[&["help"], verb].concat());
    let Some((_, list)) = help.split_once("\nCommands:\n") else {
        return Vec::new();
    };
    let list = list.split("\n\n").next().expect("a list");
    let names = list
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.map(|line| line.split_whitespace().next().expect("a name").to_owned());
    names.filter(|name| name != "help").collect()
}

/// Every verb, such as `["rs", "add"]`.
fn verbs() -> Vec<Vec<String>> {
    let mut verbs = Vec::new();
    for first in verbs_below(&[]) {
        let below = verbs_below(&[&first]);
        verbs.push(vec![first.clone()]);
        verbs.extend(below.into_iter().map(|second| vec![first.clone(), second]));
    }
    verbs
}

#[test]
fn every_verb_has_help_with_an_example_that_is_about_it() {
    let verbs = verbs();
    let names: Vec<_> = verbs.iter().map(|verb| verb.join(" ")).collect();
    let expected = [
        "demo",
        "init",
        "serve",
        "rs",
        "rs add",
        "rs show",
        "rs list",
        "rs remove",
        "rs serve",
        "client",
        "client add",
        "client show",
        "client list",
        "client remove",
        "grant",
        "request",
        "token",
        "token inspect",
        "completions",
    ];
    for verb in expected {
        assert!(
            names.iter().any(|name| name == verb),
            "no {verb} in {names:?}"
        );
    }
    for verb in &verbs {
        let words: Vec<_> = verb.iter().map(String::as_str).collect();
        let name = words.join(" ");
        let help = ok(&[&["help"], &words[..]].concat());
        assert_eq!(help, ok(&[&words[..], &["--help"]].concat()), "{name}");
        let (_, examples) = help
            .split_once("\nExample")
            .unwrap_or_else(|| panic!("{name}: {help}"));
        assert!(
            examples.contains(&format!("\n  ace {name}")),
            "{name}: {examples}"
        );
        // Every argument and option says what it is for.
        for section in ["\nArguments:\n", "\nOptions:\n"] {
            let Some((_, list)) = help.split_once(section) else {
                continue;
            };
            let list = list.split("\n\nExample").next().expect("a list");
            for line in list
                .split("\n\n")
                .flat_map(str::lines)
                .filter(|line| line.starts_with("  "))
            {
                assert!(line.len() < 110, "{name}: {line}");
            }
            let long = ok(&[&words[..], &["-h"]].concat());
            let (_, short) = long.split_once(section).expect("the section");
            for line in short.lines().take_while(|line| line.starts_with(' ')) {
                let is_continued = line.starts_with("          ");
                assert!(
                    is_continued || line.trim().contains("  "),
                    "{name}: no words for {line}"
                );
            }
        }
    }
    let first = run(&[]);
    assert_eq!(first.status.code(), Some(2));
    let help = String::from_utf8(first.stderr).expect("text");
    assert_eq!(
        help,
        ok(&["help"]).replace("(see a summary with '-h')", "(see more with '--help')")
    );
    for part in [
        "Start with:",
        "ace demo",
        "Exit codes:\n  0  done\n",
        "ACE_SITE",
        "ACE_LOG",
        "NO_COLOR",
    ] {
        assert!(help.contains(part), "no {part} in:\n{help}");
    }
    assert!(ok(&["--version"]).starts_with("ace 0."));
}

#[test]
fn completions_are_scripts_of_their_shells() {
    let folder = tempfile::tempdir().expect("a folder");
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let script = ok(&["completions", shell]);
        for word in ["request", "completions", "token", "timeout"] {
            assert!(script.contains(word), "{shell}: no {word}");
        }
        let path = folder.path().join(shell);
        std::fs::write(&path, &script).expect("written");
        let parsed = Command::new(shell)
            .args([check, text(&path)])
            .stdin(Stdio::null())
            .output();
        match parsed {
            Ok(parsed) => {
                let errors = String::from_utf8_lossy(&parsed.stderr);
                assert!(
                    parsed.status.success() && errors.is_empty(),
                    "{shell}: {errors}"
                );
            }
            Err(error) if shell != "bash" => {
                println!("{shell} is not here to parse its script: {error}")
            }
            Err(error) => panic!("{shell}: {error}"),
        }
    }
}

#[test]
fn every_verb_that_reads_speaks_json() {
    let site = Site::new();
    site.add(
        "rs",
        "thermo",
        &["--audience", "warmth", "--token-alg", "31", "--clockless"],
    );
    site.add("client", "alice", &[]);
    let json = |words: &[&str]| -> Value { serde_json::from_str(&site.ok(words)).expect("JSON") };
    let thermo = serde_json::json!([{
        "name": "thermo", "audience": "warmth", "profiles": ["coap_oscore"], "token_alg": 31, "clockless": true,
        "derives_keys": false,
    }]);
    assert_eq!(json(&["rs", "list", "--json"]), thermo);
    let granted = json(&["grant", "alice", "thermo", "GET,PUT /led", "--json"]);
    let expected =
        serde_json::json!([{"client": "alice", "rs": "thermo", "scope": "GET,PUT /led"}]);
    assert_eq!(granted, expected);
    assert_eq!(json(&["grant", "alice", "thermo", "--json"]), expected);
    assert_eq!(json(&["grant", "alice", "--json"]), expected);
    let alice = serde_json::json!([{"name": "alice", "profiles": ["coap_oscore"], "grants": 1}]);
    assert_eq!(json(&["client", "list", "--json"]), alice);
    assert_eq!(json(&["client", "show", "alice"])["name"], "alice");
    assert_eq!(json(&["rs", "show", "thermo"])["audience"], "warmth");
    assert_eq!(
        json(&[
            "grant",
            "alice",
            "thermo",
            "GET,PUT /led",
            "--remove",
            "--json"
        ]),
        serde_json::json!([])
    );
}

#[test]
fn lists_and_grants_read_well() {
    let site = Site::new();
    for name in ["thermo", "lock"] {
        site.add("rs", name, &[]);
    }
    site.add("client", "alice", &[]);
    assert_eq!(
        site.ok(&["grant", "alice"]),
        "alice may do nothing at any resource server\n"
    );
    assert_eq!(
        site.ok(&["grant", "alice", "lock"]),
        "alice may do nothing at lock\n"
    );
    let granted = site.ok(&["grant", "alice", "thermo", "GET /temp"]);
    assert_eq!(granted, "alice may GET /temp at thermo\n");
    site.ok(&["grant", "alice", "thermo", "PUT /led"]);
    site.ok(&["grant", "alice", "lock", "open close"]);
    let all = "alice may close; open at lock\nalice may PUT /led; GET /temp at thermo\n";
    assert_eq!(site.ok(&["grant", "alice"]), all);
    let list = "NAME    AUDIENCE  TOKENS  PROFILES
lock    lock      alg 10  coap_oscore
thermo  thermo    alg 10  coap_oscore
";
    assert_eq!(site.ok(&["rs", "list"]), list);
    let list = "NAME   GRANTS  PROFILES\nalice  4       coap_oscore\n";
    assert_eq!(site.ok(&["client", "list"]), list);
    assert_eq!(
        site.ok(&["rs", "remove", "lock"]),
        "removed lock and every grant on it\n"
    );
    assert_eq!(
        site.ok(&["grant", "alice", "thermo", "PUT /led", "--remove"]),
        "alice may GET /temp at thermo\n"
    );
    let removed = "removed alice and its grants; its key opens nothing any more\n";
    assert_eq!(site.ok(&["client", "remove", "alice"]), removed);
    assert_eq!(
        site.ok(&["serve", "--validate"]),
        "ok: ace.toml and the store are in order\n"
    );
}

#[test]
fn colour_is_for_terminals() {
    let site = Site::new();
    let list = ["client", "list", "--site", site.path()];
    let shown = |more: &[&str], no_color: Option<&str>| {
        let mut command = ace();
        command.args(list).args(more).env_remove("NO_COLOR");
        if let Some(value) = no_color {
            command.env("NO_COLOR", value);
        }
        String::from_utf8(command.output().expect("runs").stdout).expect("text")
    };
    let plain = "NAME  GRANTS  PROFILES\n";
    let coloured = "\x1b[1mNAME  GRANTS  PROFILES\x1b[0m\n";
    assert_eq!(shown(&[], None), plain);
    assert_eq!(shown(&["--color", "auto"], None), plain);
    assert_eq!(shown(&["--color", "never"], None), plain);
    assert_eq!(shown(&["--color", "always"], None), coloured);
    assert_eq!(shown(&["--color", "always"], Some("1")), coloured);

    // `script` gives it a terminal.
    let on_terminal = |no_color: Option<&str>, more: &str| {
        let line = format!("{} {} {more}", env!("CARGO_BIN_EXE_ace"), list.join(" "));
        let mut script = Command::new("script");
        script
            .args(["-qec", &line, "/dev/null"])
            .env_remove("NO_COLOR")
            .stdin(Stdio::null());
        if let Some(value) = no_color {
            script.env("NO_COLOR", value);
        }
        script
            .output()
            .map(|output| String::from_utf8_lossy(&output.stdout).replace('\r', ""))
    };
    match on_terminal(None, "") {
        Ok(shown) => {
            assert_eq!(shown, coloured);
            assert_eq!(on_terminal(Some("1"), "").expect("again"), plain);
            // https://no-color.org: set and not empty.
            assert_eq!(on_terminal(Some(""), "").expect("again"), coloured);
            assert_eq!(on_terminal(None, "--color never").expect("again"), plain);
        }
        Err(error) => println!("no terminal was tried, for want of `script`: {error}"),
    }
}
