"""The exchanges between a board and programs on the host: who asks whom, over which profile."""

import dataclasses
import json
import os
import pathlib
import secrets
import sys
import time
from collections.abc import Callable

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import cbor  # noqa: E402
import provision  # noqa: E402
from bench import HOST, Bench, Finished, Keys, ask, free_port, options_of  # noqa: E402
from emulator import Board, Step  # noqa: E402

# What our own programs are told for a profile: --profile of clients and resource servers, more for resource servers.
PROFILES = {
    "oscore": ("coap_oscore", []),
    "psk": ("coap_dtls-psk", []),
    "rpk": ("coap_dtls-rpk", ["--token-alg", "-7"]),
}


@dataclasses.dataclass
class Measured:
    """What the board says that an exchange took."""

    steps: list[Step]
    stack: int
    made: int

    @staticmethod
    def of(board: Board) -> "Measured":
        return Measured(board.steps(), board.stack(), board.made())


@dataclasses.dataclass
class Exchange:
    """One row of the table: `run` raises what Bench raises if something is not as it must be."""

    image: str
    name: str
    needs: list[str]
    run: Callable[[Bench, pathlib.Path], Measured]


ALL: list[Exchange] = []


def exchange(image: str, name: str, *needs: str):
    """Takes a function for the exchange that measures this configuration of build.py; `needs` are foreign peers."""
    def take(run):
        ALL.append(Exchange(image, name, list(needs), run))
        return run
    return take


class Site:
    """An authorization server on the host."""

    def __init__(self, bench: Bench):
        self.bench = bench
        self.port, self.coaps_port = free_port(), free_port()
        self.folder = bench.place / "site"
        listen = ["--listen", f"{HOST}:{self.port}", "--listen-coaps", f"{HOST}:{self.coaps_port}"]
        self.ace("init", self.folder, *listen, site=False)

    def ace(self, *arguments, site=True) -> bytes:
        place = ("--site", self.folder) if site else ()
        finished = self.bench.run([self.bench.tools["ace"], *arguments, *place], timeout=60)
        assert finished.code == 0, f"ace {' '.join(map(str, arguments))}: {finished.log}"
        return finished.out

    def bundle(self, kind: str, name: str, *options: str, profile: str = "oscore") -> tuple[pathlib.Path, dict]:
        """Registers a client ("client") or a resource server ("rs")."""
        option, more = PROFILES[profile]
        printed = self.ace(kind, "add", name, "--profile", option, *(more if kind == "rs" else []), *options)
        return self.bench.write(f"{name}.json", printed), json.loads(printed)

    def grant(self, client: str, rs: str, *scopes: str) -> None:
        for scope in scopes:
            self.ace("grant", client, rs, scope)

    def serve(self) -> None:
        self.bench.serve("as", [self.bench.tools["ace"], "serve", "--site", self.folder], self.port)

    def token_port(self, bundle: dict) -> int:
        return self.port if bundle["as"].get("oscore") else self.coaps_port


class Thermometer:
    """`ace serve` and `ace rs serve`, and a client on the board that may read /temp and switch /led."""

    def __init__(self, bench: Bench, profile: str):
        self.site = Site(bench)
        path, _ = self.site.bundle("rs", "thermo", profile=profile)
        _, alice = self.site.bundle("client", "alice", profile=profile)
        self.site.grant("alice", "thermo", "GET /temp", "PUT /led")
        self.site.serve()
        port = free_port()
        listen = ["--listen", f"{HOST}:{port}"] + ["--listen-coaps", f"{HOST}:{port}"] * (profile != "oscore")
        bench.serve("rs", [bench.tools["ace"], "rs", "serve", path, *listen], port)
        self.fields = provision.client(alice, self.site.token_port(alice), port)


def answered(board: Board) -> None:
    expect(board.told("answer"), ["Content 22.5 C", "Changed ", "Content 22.5 C"])


def client_exchange(profile: str, image: str = "", *needs: str) -> None:
    @exchange(image or f"client-{profile}", f"`ace serve`, `ace rs serve`{f', {profile}' if image else ''}", *needs)
    def _(bench: Bench, image: pathlib.Path) -> Measured:
        board = Board(bench.place / "board", image, Thermometer(bench, profile).fields)
        board.start()
        code = board.wait()
        assert code == 0, f"the image ended with code {code}: {board.said()}"
        answered(board)
        return Measured.of(board)


class Lock:
    """The resource server on the board, and alice who may read and open."""

    def __init__(self, bench: Bench, image: pathlib.Path, profile: str, site: Site | None = None, client: bytes = b""):
        self.bench = bench
        self.profile = profile
        self.site = site or Site(bench)
        _, bundle = self.site.bundle("rs", "lock", profile=profile)
        self.path, self.bundle = self.site.bundle("client", "bob", profile=profile)
        self.site.grant("bob", "lock", "GET /temp", "GET,PUT /lock")
        if site is None:
            self.site.serve()
        fields = provision.resource_server(bundle)
        self.board = Board(bench.place / "board", image, provision.both(client, fields) if client else fields)
        self.port = self.board.serve()

    def ask(self, method: str, path: str, *payload: str) -> str:
        """What our own client gets."""
        scheme, more = ("coap", []) if self.profile == "oscore" else ("coaps", ["--one-port"])
        finished = self.bench.run([
            self.bench.tools["ace"], "request", method, f"{scheme}://{HOST}:{self.port}{path}", *payload, "--as", self.path,
            "--timeout", "60", *more,
        ], timeout=70)
        assert finished.code == 0, f"{method} {path}: {finished.log} the board said: {self.board.said()}"
        return finished.out.decode().strip()

    def open_with_ours(self) -> None:
        expect(self.ask("GET", "/temp"), "21.5 C")
        expect(self.ask("GET", "/lock"), "closed")
        self.ask("PUT", "/lock", "open")
        expect(self.ask("GET", "/lock"), "open")

    def measured(self) -> Measured:
        """Ends the board, after it has told what it did last."""
        self.board.wait_for("lock open", 10)
        time.sleep(0.5)
        assert self.board.process.poll() is None, f"the board stopped: {self.board.said()}"
        self.board.kill()
        return Measured.of(self.board)


def server_exchange(profile: str, image: str = "", *needs: str) -> None:
    @exchange(image or f"rs-{profile}", f"`ace request`{f', {profile}' if image else ''}", *needs)
    def _(bench: Bench, image: pathlib.Path) -> Measured:
        lock = Lock(bench, image, profile)
        lock.open_with_ours()
        return lock.measured()


for each in PROFILES:
    client_exchange(each)
    server_exchange(each)
    client_exchange(each, "c-client", "arm-gcc")
    server_exchange(each, "c-rs", "arm-gcc")


@exchange("all", "all of them, raw public keys")
def _(bench: Bench, image: pathlib.Path) -> Measured:
    thermometer = Thermometer(bench, "rpk")
    lock = Lock(bench, image, "rpk", thermometer.site, thermometer.fields)
    lock.board.wait_for("asked")
    answered(lock.board)
    lock.open_with_ours()
    return lock.measured()


# ---------------------------------------------------------------- foreign clients


def token_context(lock: Lock) -> Keys:
    """Gets a token, uploads it to the board, and gives the context, for a client that knows only OSCORE."""
    bench = lock.bench
    finished = bench.run([
        bench.tools["peer"], "token-context", "--client", lock.path, "--audience", "lock", "--rs", f"{HOST}:{lock.port}",
    ])
    assert finished.code == 0, f"token-context: {finished.log}"
    return Keys.of_client(json.loads(finished.out))


@exchange("rs-oscore", "libcoap's coap-client", "libcoap")
def _(bench: Bench, image: pathlib.Path) -> Measured:
    lock = Lock(bench, image, "oscore")
    keys = token_context(lock)
    expect(bench.libcoap_client(keys, lock.port, "/temp"), b"21.5 C")
    bench.libcoap_client(keys, lock.port, "/lock", "-m", "put", "-e", "open")
    return lock.measured()


@exchange("rs-oscore", "aiocoap", "aiocoap")
def _(bench: Bench, image: pathlib.Path) -> Measured:
    lock = Lock(bench, image, "oscore")
    keys = token_context(lock)
    base = f"coap://{HOST}:{lock.port}"
    expect(bench.aiocoap_client(keys, "GET", base + "/temp").get("payload"), b"21.5 C".hex())
    bench.aiocoap_client(keys, "PUT", base + "/lock", "--payload", str(bench.write("open", "open")))
    return lock.measured()


def coap_client(bench: Bench, identity: bytes, key: bytes, url: str, *options) -> tuple[bytes, Finished]:
    """What libcoap's client with DTLS gets with a pre-shared key."""
    got = bench.place / f"got-{secrets.token_hex(4)}"
    finished = bench.run([
        "coap-client-openssl", "-v", "5", "-B", "20", "-o", got, "-u", os.fsdecode(identity), "-k", os.fsdecode(key), *options, url,
    ], timeout=30)
    return got.read_bytes() if got.exists() else b"", finished


@exchange("rs-psk", "libcoap's coap-client, token and all", "libcoap-dtls")
def _(bench: Bench, image: pathlib.Path) -> Measured:
    lock = Lock(bench, image, "psk")
    own = lock.bundle["as"]["dtls"]
    # RFC 9200, 5.8.1 and RFC 9237: {5: audience, 9: << scope >>}. On a command line a key or identity cannot hold a NUL.
    wanted = cbor.encode({5: "lock", 9: cbor.encode([["/temp", 1], ["/lock", 5]])})
    request = bench.write("token-request", wanted)
    for _ in range(8):
        identity, key = (bytes.fromhex(own[name]) for name in ("psk_identity", "psk"))
        if 0 in key:
            path, bundle = lock.site.bundle("client", "bob" + secrets.token_hex(2), profile="psk")
            lock.site.grant(bundle["name"], "lock", "GET /temp", "GET,PUT /lock")
            own = bundle["as"]["dtls"]
            continue
        got, finished = coap_client(
            bench, identity, key, f"coaps://{HOST}:{lock.site.coaps_port}/token", "-m", "post", "-t", "19", "-f", request,
        )
        assert got, f"no token: {finished.out} {finished.log[-600:]}"
        information = cbor.decode(got)
        # RFC 9202, 3.3.1: the key in a COSE_Key with its kid; 3.3.2: the identity that names it.
        cose_key = information[8][1]
        identity = cbor.encode({8: {1: {1: 4, 2: cose_key[2]}}})
        if 0 not in identity + cose_key[-1]:
            break
    else:
        raise AssertionError("no token whose key can be given on a command line")
    upload(lock.port, information[1])
    base = f"coaps://{HOST}:{lock.port}"
    got, finished = coap_client(bench, identity, cose_key[-1], base + "/temp")
    assert got == b"21.5 C", f"GET /temp: {got} {finished.out} {finished.log[-600:]}; the board said: {lock.board.said()}"
    coap_client(bench, identity, cose_key[-1], base + "/lock", "-m", "put", "-e", "open")
    return lock.measured()


def upload(port: int, token: bytes) -> None:
    """POST /authz-info of the bare token, application/cwt (RFC 9202, 3.3.2), with Echo when asked for it."""
    echo = b""
    for _ in range(2):
        message_id, message_token = secrets.token_bytes(2), secrets.token_bytes(2)
        # CON POST, Uri-Path, Content-Format 61; Echo is option 252.
        options = b"\xbaauthz-info" + b"\x11\x3d" + (b"\xdd\xe3" + bytes([len(echo) - 13]) + echo if len(echo) > 12 else
                                                     bytes([0xd0 | len(echo), 0xe3]) + echo if echo else b"")
        answer = ask(port, b"\x42\x02" + message_id + message_token + options + b"\xff" + token, 10.0)
        assert answer is not None, "no answer from /authz-info"
        if answer[1] == 0x41:
            return
        echo = options_of(answer)[0].get(252, [b""])[0]
    raise AssertionError(f"/authz-info answered {answer[1] >> 5}.{answer[1] & 31:02}")


def expect(got, wanted) -> None:
    assert got == wanted, f"expected {wanted}, got {got}"
