//! What the tests of the program share: a site in a temporary folder, and its servers as child processes.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// The program under test.
pub fn ace() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ace"));
    command
        .env_remove("ACE_SITE")
        .env_remove("ACE_LOG")
        .env("NO_COLOR", "1");
    command
}

/// Runs the program and returns what it said.
pub fn run(arguments: &[&str]) -> Output {
    ace()
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

/// Runs the program, which must succeed, and returns its standard output.
pub fn ok(arguments: &[&str]) -> String {
    let output = run(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "ace {}: {errors}",
        arguments.join(" ")
    );
    String::from_utf8(output.stdout).expect("text")
}

/// Runs the program, which must fail with this exit code and say so in one sentence; returns the sentence.
pub fn fails(code: i32, arguments: &[&str]) -> String {
    one_sentence(code, &run(arguments), &arguments.join(" "))
}

/// The one sentence of a failed run.
pub fn one_sentence(code: i32, output: &Output, what: &str) -> String {
    let errors = String::from_utf8(output.stderr.clone()).expect("text");
    assert_eq!(output.status.code(), Some(code), "ace {what}: {errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "ace {what}");
    let sentence = errors.strip_suffix('\n').expect("a whole line");
    assert!(!sentence.contains('\n'), "ace {what}: {errors}");
    assert!(sentence.starts_with("ace: "), "ace {what}: {errors}");
    sentence.to_owned()
}

/// A UDP address of this machine that nobody uses now.
pub fn free_address() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a port")
}

/// Two of them, the second one port after the first: for CoAP and for DTLS.
pub fn free_pair() -> (SocketAddr, SocketAddr) {
    for _ in 0..1000 {
        let first = free_address();
        let Some(port) = first.port().checked_add(1) else {
            continue;
        };
        let second = SocketAddr::new(first.ip(), port);
        if UdpSocket::bind(first).is_ok() && UdpSocket::bind(second).is_ok() {
            return (first, second);
        }
    }
    panic!("no two ports side by side are free");
}

/// A site folder with its addresses; gone when dropped.
pub struct Site {
    pub folder: tempfile::TempDir,
    pub listen: SocketAddr,
    pub listen_coaps: SocketAddr,
}

impl Site {
    /// `ace init` in a temporary folder.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (listen, listen_coaps) = free_pair();
        let site = Self {
            folder,
            listen,
            listen_coaps,
        };
        ok(&["init", site.path(), "--listen", &listen.to_string()]);
        site
    }

    pub fn path(&self) -> &str {
        self.folder.path().to_str().expect("text")
    }

    /// Where a file of the test may lie.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a verb with `--site`, which must fail.
    pub fn fails(&self, code: i32, arguments: &[&str]) -> String {
        fails(code, &[arguments, &["--site", self.path()]].concat())
    }

    /// Replaces text in a file of the site, which must be there.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let path = self.file(name);
        let text = std::fs::read_to_string(&path).expect("read");
        assert!(text.contains(from), "{name} has no {from}");
        std::fs::write(&path, text.replace(from, to)).expect("written");
    }

    /// Runs a verb with `--site`.
    pub fn ok(&self, arguments: &[&str]) -> String {
        ok(&[arguments, &["--site", self.path()]].concat())
    }

    /// Registers, and writes the bundle beside the store.
    pub fn add(&self, kind: &str, name: &str, more: &[&str]) -> PathBuf {
        let bundle = self.ok(&[&[kind, "add", name], more].concat());
        let path = self.file(&format!("{name}.json"));
        std::fs::write(&path, bundle).expect("written");
        path
    }

    /// Starts `ace serve` and waits until it listens.
    pub fn serve(&self) -> Server {
        Server::start(&["serve", "--site", self.path()])
    }
}

/// A server in a process of its own, killed when dropped.
pub struct Server {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts the program and waits for its first line on standard error, written once it listens.
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = ace()
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let first = lines.next().expect("a line").expect("text");
        assert!(
            first.contains("on coap://"),
            "ace {}: {first}",
            arguments.join(" ")
        );
        let said = Arc::new(Mutex::new(vec![first]));
        let heard = Arc::clone(&said);
        // The pipe must not fill up.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                heard.lock().expect("whole").push(line);
            }
        });
        Self { child, said }
    }

    /// All it said on standard error so far.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().expect("whole").clone()
    }

    /// The lines with all of `parts`, once there is one.
    pub fn lines_with(&self, parts: &[&str]) -> Vec<String> {
        let began = Instant::now();
        loop {
            let said = self.said();
            let mut found = said.clone();
            found.retain(|line| parts.iter().all(|part| line.contains(part)));
            if !found.is_empty() {
                return found;
            }
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "no line with {parts:?} in:\n{}",
                said.join("\n")
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}
