"""The programs of one DTLS case: ours and the foreign ones, their keys, and what they say to one another."""

import base64
import contextlib
import ctypes
import dataclasses
import os
import pathlib
import secrets
import socket
import subprocess
import threading
import time

import peers
from bench import HOST, Bench, Tap, free_port

QUESTION = "how warm is it?"
ANSWER = "twenty-one degrees"
# What `dtls-peer serve` says to the question.
ECHO = "ace heard " + QUESTION
CLONE_NEWNET = 0x40000000


@dataclasses.dataclass(frozen=True)
class Suite:
    """A cipher suite: its name and number in the registry, and what the libraries call it."""

    name: str
    number: str
    openssl: str
    gnutls: str


PSK_CCM_8 = Suite("TLS_PSK_WITH_AES_128_CCM_8", "c0a8", "PSK-AES128-CCM8", "+PSK:+AES-128-CCM-8")
PSK_CCM = Suite("TLS_PSK_WITH_AES_128_CCM", "c0a4", "PSK-AES128-CCM", "+PSK:+AES-128-CCM")
ECDHE_ECDSA_CCM_8 = Suite(
    "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", "c0ae", "ECDHE-ECDSA-AES128-CCM8", "+ECDHE-ECDSA:+AES-128-CCM-8",
)
ECDHE_ECDSA_CCM = Suite(
    "TLS_ECDHE_ECDSA_WITH_AES_128_CCM", "c0ac", "ECDHE-ECDSA-AES128-CCM", "+ECDHE-ECDSA:+AES-128-CCM",
)


class Psk:
    """A pre-shared key of both ends."""

    refusal = "another key"

    def __init__(self, key: bytes | None = None):
        self.identity = "thermometer-7"
        self.key = key or secrets.token_bytes(16)

    def ours(self) -> list[str]:
        return ["--identity", self.identity, "--psk", self.key.hex()]

    def wrong(self) -> "Psk":
        return Psk(self.key[:-1] + bytes([self.key[-1] ^ 1]))


class Rpk:
    """A key pair of each end; that of the foreign one in files."""

    refusal = "public key is not accepted"

    def __init__(self, bench: Bench, algorithm: str = "es256"):
        self.algorithm = algorithm
        self.bench = bench
        self.private = bench.place / "theirs.pem"
        self.public = bench.place / "theirs.pub"
        self.sec1 = bench.place / "theirs.ec"
        self.own = bench.place / "ours.pem"
        for path in (self.own, self.private):
            self.generate(path)
        self.openssl("pkey", "-in", self.private, "-pubout", "-out", self.public)
        # OpenSSL's programs start without a certificate as server only with anonymous suites; it is never sent.
        self.certificate = bench.place / "theirs.crt"
        self.openssl("req", "-x509", "-new", "-key", self.private, "-subj", "/CN=unused", "-out", self.certificate)
        if algorithm == "es256":
            self.openssl("ec", "-in", self.private, "-out", self.sec1)
        self.expected = self.public

    def openssl(self, *arguments) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)

    def generate(self, path: pathlib.Path) -> None:
        kind = ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"] if self.algorithm == "es256" else ["ed25519"]
        self.openssl("genpkey", "-algorithm", *kind, "-out", path)

    def ours(self) -> list[str]:
        der = unarmoured(self.own)
        # In an ECPrivateKey: version 1, then the key (RFC 5915, 3); in PKCS #8 of Ed25519: the key alone (RFC 8410, 7).
        before = bytes.fromhex("0201010420") if self.algorithm == "es256" else bytes.fromhex("04220420")
        at = der.index(before) + len(before)
        return ["--own", f"{self.algorithm}:{der[at:at + 32].hex()}", "--peer-key", unarmoured(self.expected).hex()]

    def wrong(self) -> "Rpk":
        """The same, with our side expecting another key than the one that comes."""
        other = Rpk.__new__(Rpk)
        other.__dict__.update(self.__dict__)
        other.expected = self.bench.place / "other.pub"
        self.generate(self.bench.place / "other.pem")
        self.openssl("pkey", "-in", self.bench.place / "other.pem", "-pubout", "-out", other.expected)
        return other


class X509:
    """A key pair and a certificate of each end, for one use each, by one authority."""

    refusal = "no trusted issuer"
    name = "peer.example"

    def __init__(self, bench: Bench):
        self.bench = bench
        self.anchor = self.authority("root")
        for end in ("ours", "theirs"):
            for use in ("serverAuth", "clientAuth"):
                self.certificate(end, use)

    def openssl(self, *arguments) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.bench.place)

    def path(self, name: str) -> pathlib.Path:
        return self.bench.place / name

    def authority(self, name: str) -> str:
        self.key(name)
        self.openssl("req", "-x509", "-new", "-key", f"{name}.pem", "-subj", f"/CN={name}", "-days", "30", "-out", f"{name}.crt")
        self.openssl("x509", "-in", f"{name}.crt", "-outform", "der", "-out", f"{name}.der")
        return name

    def key(self, name: str) -> None:
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{name}.pem")

    def certificate(self, end: str, use: str) -> None:
        name = f"{end}-{use}"
        self.key(name)
        extensions = self.bench.write(f"{name}.cnf", f"subjectAltName=DNS:{self.name}\nextendedKeyUsage={use}\n")
        self.openssl("req", "-new", "-key", f"{name}.pem", "-subj", f"/CN={name}", "-out", f"{name}.csr")
        self.openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", f"{self.anchor}.crt", "-CAkey", f"{self.anchor}.pem", "-CAcreateserial",
            "-days", "30", "-extfile", extensions, "-out", f"{name}.crt",
        )
        self.openssl("x509", "-in", f"{name}.crt", "-outform", "der", "-out", f"{name}.der")

    def ours(self, server: bool) -> list[str]:
        name = f"ours-{use_of(server)}"
        der = unarmoured(self.path(f"{name}.pem"))
        # As below (RFC 5915, 3).
        at = der.index(bytes.fromhex("0201010420")) + 5
        return [
            "--own", f"es256:{der[at:at + 32].hex()}", "--chain", str(self.path(f"{name}.der")),
            "--anchor", str(self.path(f"{self.anchor}.der")), "--name", self.name,
        ]

    def theirs(self, server: bool) -> pathlib.Path:
        return self.path(f"theirs-{use_of(server)}")

    def wrong(self) -> "X509":
        """The same, with our side trusting another authority."""
        other = X509.__new__(X509)
        other.__dict__.update(self.__dict__)
        other.anchor = other.authority("stranger")
        return other


def use_of(server: bool) -> str:
    return "serverAuth" if server else "clientAuth"


def ours_of(keys, server: bool) -> list[str]:
    return keys.ours(server) if isinstance(keys, X509) else keys.ours()


def unarmoured(path: pathlib.Path) -> bytes:
    return base64.b64decode("".join(line for line in path.read_text().split("\n") if not line.startswith("-")))


class Talk:
    """A running program: its standard input stays open, and its output is read as it comes."""

    def __init__(self, bench: Bench, name: str, command: list):
        self.name = name
        self.path = bench.place / f"{name}.log"
        bench.write(f"{name}.command", " ".join(str(part) for part in command))
        with open(self.path, "ab") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command], cwd=bench.place, start_new_session=True,
                stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
            )
        bench.running.append(self.process)

    @property
    def log(self) -> str:
        return self.path.read_text(errors="replace")

    def say(self, line: str) -> None:
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def until(self, text: str, timeout: float = 12.0) -> None:
        """Waits until this was said."""
        deadline = time.monotonic() + timeout
        while text not in self.log:
            ended = self.process.poll() is not None
            if (ended and text not in self.log) or time.monotonic() > deadline:
                raise AssertionError(f"{self.name} never said {text!r}: {self.log[-700:]}")
            time.sleep(0.02)

    def end(self) -> int:
        """Closes its standard input; gives its exit code."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            return self.process.wait(8)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} goes on without standard input: {self.log[-700:]}") from None


# Our programs.


def our_server(bench: Bench, keys, suite: Suite, *options: str) -> tuple[Talk, int]:
    port = free_port()
    talk = Talk(bench, "dtls-peer", [
        bench.tools["dtls"], "serve", "--listen", f"{HOST}:{port}", "--suite", suite.number, *ours_of(keys, True), *options,
    ])
    talk.until("listening")
    return talk, bench.tap(port)


def our_client(bench: Bench, keys, suite: Suite, port: int, *options: str) -> Talk:
    return Talk(bench, "dtls-peer", [
        bench.tools["dtls"], "connect", "--to", f"{HOST}:{port}", "--suite", suite.number, *ours_of(keys, False), *options,
    ])


# OpenSSL of Debian 12.


def openssl_psk(keys: Psk, suite: Suite) -> list[str]:
    return ["-dtls1_2", "-psk", keys.key.hex(), "-psk_identity", keys.identity, "-cipher", suite.openssl]


def openssl_server(bench: Bench, keys: Psk, suite: Suite) -> tuple[Talk, int]:
    port = free_port()
    # -listen: with cookies.
    talk = Talk(bench, "openssl", [
        "openssl", "s_server", "-listen", "-accept", f"{HOST}:{port}", "-nocert", *openssl_psk(keys, suite),
    ])
    talk.until("ACCEPT")
    return talk, bench.tap(port)


def openssl_client(bench: Bench, keys: Psk, suite: Suite, port: int) -> Talk:
    return Talk(bench, "openssl", ["openssl", "s_client", "-connect", f"{HOST}:{port}", *openssl_psk(keys, suite)])


# The same with X.509 certificates.


def openssl_x509(keys: X509, suite: Suite, server: bool) -> list:
    own = keys.theirs(server)
    # Level 0: the others have no CCM_8.
    return [
        "-dtls1_2", "-key", f"{own}.pem", "-cert", f"{own}.crt", "-CAfile", keys.path("root.crt"), "-verify_return_error",
        "-cipher", f"{suite.openssl}:@SECLEVEL=0",
    ]


def openssl_x509_server(bench: Bench, keys: X509, suite: Suite) -> tuple[Talk, int]:
    port = free_port()
    talk = Talk(bench, "openssl", [
        "openssl", "s_server", "-listen", "-accept", f"{HOST}:{port}", "-Verify", "1", *openssl_x509(keys, suite, True),
    ])
    talk.until("ACCEPT")
    return talk, bench.tap(port)


def openssl_x509_client(bench: Bench, keys: X509, suite: Suite, port: int) -> Talk:
    return Talk(bench, "openssl", [
        "openssl", "s_client", "-connect", f"{HOST}:{port}", "-verify_hostname", keys.name, *openssl_x509(keys, suite, False),
    ])


# webrtc-dtls and dimpl.


def rust_peer(bench: Bench, peer: str, role: str, port: int, keys, suite: Suite) -> Talk:
    if isinstance(keys, X509):
        own = keys.theirs(role == "serve")
        # It wants the key under a name of its own.
        key = pathlib.Path(f"{own}.pem").read_text().replace("PRIVATE KEY", "PRIVATE_KEY")
        pair = bench.write("pair.pem", key + pathlib.Path(f"{own}.crt").read_text())
        how = ["x509", pair, keys.path("root.der"), keys.name]
    else:
        how = ["psk", keys.identity, keys.key.hex()]
    return Talk(bench, peer, [bench.tools["rust"], peer, role, port, suite.number, *how])


def rust_server(peer: str):
    def start(bench: Bench, keys, suite: Suite) -> tuple[Talk, int]:
        port = free_port()
        talk = rust_peer(bench, peer, "serve", port, keys, suite)
        talk.until("listening")
        return talk, bench.tap(port)
    return start


def rust_client(peer: str):
    return lambda bench, keys, suite, port: rust_peer(bench, peer, "connect", port, keys, suite)


# OpenSSL of Debian 13, with raw public keys.


def openssl_rpk(keys: Rpk, suite: Suite) -> list:
    # Level 0: the others have no CCM_8.
    return [
        "-dtls1_2", "-key", keys.private, "-cert", keys.certificate, "-enable_server_rpk", "-enable_client_rpk",
        "-cipher", f"{suite.openssl}:@SECLEVEL=0",
    ]


def openssl_3_5_server(bench: Bench, keys: Rpk, suite: Suite) -> tuple[Talk, int]:
    port = free_port()
    talk = Talk(bench, "openssl", [
        *peers.trixie("openssl"), "s_server", "-listen", "-accept", f"{HOST}:{port}", "-Verify", "1",
        *openssl_rpk(keys, suite),
    ])
    talk.until("ACCEPT")
    return talk, bench.tap(port)


def openssl_3_5_client(bench: Bench, keys: Rpk, suite: Suite, port: int) -> Talk:
    return Talk(bench, "openssl", [
        *peers.trixie("openssl"), "s_client", "-connect", f"{HOST}:{port}", *openssl_rpk(keys, suite),
    ])


# Mbed TLS of Debian 13, with Connection IDs.


def mbedtls(role: str, port: int, keys: Psk, suite: Suite, cid: str) -> list[str]:
    command = [*peers.with_trixie(peers.MBEDTLS), role, str(port), keys.identity, keys.key.hex()]
    return [*command, str(int(suite.number, 16)), cid]


def mbedtls_server(bench: Bench, keys: Psk, suite: Suite, cid: str = "-") -> tuple[Talk, int]:
    port = free_port()
    talk = Talk(bench, "mbedtls", mbedtls("serve", port, keys, suite, cid))
    talk.until("listening")
    return talk, bench.tap(port)


def mbedtls_client(bench: Bench, keys: Psk, suite: Suite, port: int, cid: str = "-") -> Talk:
    return Talk(bench, "mbedtls", mbedtls("connect", port, keys, suite, cid))


# GnuTLS of Debian 12. Its server listens on every address, so it gets a network of its own, with nothing in it but loopback.


def gnutls_keys(bench: Bench, keys, suite: Suite, server: bool) -> list:
    psk = isinstance(keys, Psk)
    group, signature = "+GROUP-SECP256R1", "+SIGN-ECDSA-SHA256"
    if not psk and keys.algorithm == "eddsa":
        # Its server sends a CertificateRequest with no certificate type then, against RFC 5246, 7.4.4; we take it.
        group, signature = "+GROUP-X25519", "+SIGN-EDDSA-ED25519"
    priority = f"NONE:+VERS-DTLS1.2:{suite.gnutls}:+AEAD:{group}:{signature}:+COMP-NULL"
    if not psk:
        return ["--rawpkkeyfile", keys.private, "--rawpkfile", keys.public, "--priority", priority + ":+CTYPE-RAWPK"]
    if server:
        return ["--pskpasswd", bench.write("psk.txt", f"{keys.identity}:{keys.key.hex()}\n"), "--priority", priority]
    return ["--pskusername", keys.identity, "--pskkey", keys.key.hex(), "--priority", priority]


def gnutls_server(bench: Bench, keys, suite: Suite) -> tuple[Talk, int]:
    namespace = f"ace-interop-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    bench.leaving.append(["ip", "netns", "delete", namespace])
    subprocess.run(["ip", "-n", namespace, "link", "set", "lo", "up"], check=True)
    port = 5684
    talk = Talk(bench, "gnutls", [
        "ip", "netns", "exec", namespace,
        "gnutls-serv", "--udp", "--echo", "--port", str(port), "--require-client-cert", *gnutls_keys(bench, keys, suite, True),
    ])
    talk.until("IPv4 0.0.0.0 port 5684...done")
    wire = Tap(port, lambda: socket_in(namespace))
    bench.wires.append(wire)
    return talk, wire.port


def gnutls_client(bench: Bench, keys, suite: Suite, port: int) -> Talk:
    return Talk(bench, "gnutls", [
        "gnutls-cli", "--udp", HOST, "--port", str(port), "--insecure", *gnutls_keys(bench, keys, suite, False),
    ])


def socket_in(namespace: str) -> socket.socket:
    """A UDP socket in a network namespace; only a thread that ends at once enters it."""
    made = []

    def make():
        with open(f"/run/netns/{namespace}") as place:
            if ctypes.CDLL(None, use_errno=True).setns(place.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


# libcoap of Debian 12, built with either library.


def libcoap_keys(keys, server: bool) -> list:
    if isinstance(keys, Rpk):
        return ["-M", keys.sec1]
    # 4.3.1 takes the key as characters.
    return ["-k", keys.key.decode(), *(["-h", "hint1"] if server else ["-u", keys.identity])]


def libcoap_server(bench: Bench, library: str, keys) -> tuple[Talk, int]:
    port = free_port()
    # DTLS is on the next port.
    bench.serve(f"libcoap-{library}", [
        f"coap-server-{library}", "-A", HOST, "-p", str(port), "-v", "7", *libcoap_keys(keys, True),
    ], port)
    return bench.tap(port + 1)


def libcoap_client(bench: Bench, library: str, keys, port: int, path: str):
    return bench.run([
        f"coap-client-{library}", "-v", "5", "-B", "8", *libcoap_keys(keys, False), f"coaps://{HOST}:{port}{path}",
    ])
