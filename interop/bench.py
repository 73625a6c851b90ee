"""Starts and stops the programs of one case, and knows how each of them is told its keys."""

import dataclasses
import json
import os
import pathlib
import re
import secrets
import signal
import socket
import subprocess
import threading
import time

import peers

HOST = "127.0.0.1"

LIBCOAP_CLIENT = "coap-client-gnutls"
LIBCOAP_SERVER = "coap-server-gnutls"

AEAD_NAMES = {
    10: "AES-CCM-16-64-128", 11: "AES-CCM-16-64-256", 12: "AES-CCM-64-64-128", 13: "AES-CCM-64-64-256",
    30: "AES-CCM-16-128-128", 31: "AES-CCM-16-128-256", 32: "AES-CCM-64-128-128", 33: "AES-CCM-64-128-256",
    1: "A128GCM", 2: "A192GCM", 3: "A256GCM", 24: "ChaCha20/Poly1305",
}
HASH_NAMES = {-10: "sha256", -11: "sha512"}


@dataclasses.dataclass
class Finished:
    """What a program left behind: exit code, standard output, standard error."""

    code: int
    out: bytes
    log: str


class Bench:
    """One case's folder and processes. Leaving it ends every process that it started."""

    def __init__(self, place: pathlib.Path, tools: dict[str, pathlib.Path]):
        self.place = place
        self.tools = tools
        self.running: list[subprocess.Popen] = []
        self.wires: list[Tap] = []
        # Commands to run when all has ended.
        self.leaving: list[list[str]] = []
        self.count = 0
        self.log = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.running:
            end_group(process)
        for number, wire in enumerate(self.wires):
            wire.close()
            self.write(f"wire-{number}.txt", "".join(f"{way} {datagram.hex()}\n" for way, datagram in wire.passed))
        for command in self.leaving:
            subprocess.run(command, check=False)

    def write(self, name: str, content: bytes | str) -> pathlib.Path:
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def run(self, command: list, timeout: float = 20.0, stdin: bytes | None = None) -> Finished:
        """Runs a program to its end; its output stays in the folder too."""
        self.count += 1
        name = f"{self.count}-{pathlib.Path(program(command)).name}"
        self.write(name + ".command", json.dumps([str(part) for part in command]))
        process = subprocess.Popen(
            [str(part) for part in command], cwd=self.place, start_new_session=True,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        try:
            out, log = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            end_group(process)
            out, log = process.communicate()
            self.write(name + ".out", out)
            self.write(name + ".log", log)
            raise AssertionError(f"{name} did not end within {timeout} s") from None
        self.write(name + ".out", out)
        self.write(name + ".log", log)
        return Finished(process.returncode, out, log.decode(errors="replace"))

    def serve(self, name: str, command: list, port: int) -> subprocess.Popen:
        """Starts a server and waits until it answers a CoAP ping on `port`."""
        with open(self.place / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                [str(part) for part in command], cwd=self.place, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )
        self.running.append(process)
        deadline = time.monotonic() + 15
        while not ping(port):
            if process.poll() is not None:
                text = (self.place / f"{name}.log").read_text(errors="replace")
                raise AssertionError(f"{name} ended with code {process.returncode}: {text[-400:]}")
            if time.monotonic() > deadline:
                raise AssertionError(f"{name} did not answer a ping within 15 s")
        return process

    def tap(self, port: int) -> int:
        """Puts a tap in front of a server; clients are to use the port that it gives."""
        self.wires.append(Tap(port))
        return self.wires[-1].port

    @property
    def wire(self) -> "Tap":
        """The tap in front of the case's first server."""
        return self.wires[0]

    # Our programs.

    def peer_serve(self, keys: "Keys", *options: str) -> int:
        port = free_port()
        self.serve("oscore-peer", [
            self.tools["peer"], "serve", "--context", keys.ours(self, "server"), "--listen", f"{HOST}:{port}", *options,
        ], port)
        return self.tap(port)

    def peer_request(self, keys: "Keys", method: str, uri: str, *options: str) -> Finished:
        return self.run([
            self.tools["peer"], "request", "--context", keys.ours(self, "client"), *options, method, uri,
        ])

    # libcoap.

    def libcoap_serve(self, keys: "Keys", **settings: str) -> int:
        port = free_port()
        self.serve("libcoap", [
            *peers.trixie(LIBCOAP_SERVER), "-A", HOST, "-p", str(port), "-v", "8",
            "-E", keys.libcoap(self, "server", **settings),
        ], port)
        return self.tap(port)

    def libcoap_client(self, keys: "Keys", port: int, path: str, *options: str, **settings: str) -> bytes:
        """The payload that coap-client ends up with; empty if it got none. `self.log` is what it logged."""
        got = self.place / f"got-{self.count}"
        # The server side of 4.3.4 forgets an exchange with an empty token, which is what its client starts with: -T.
        # A sequence file makes runs with the same keys continue one another.
        finished = self.run([
            *peers.trixie(LIBCOAP_CLIENT), "-v", "8", "-B", "8", "-T", "c0de", "-o", got,
            "-E", f"{keys.libcoap(self, 'client', **settings)},{self.place / 'client.sequence'}",
            *options, f"coap://{HOST}:{port}{path}",
        ])
        # All but the worst goes to standard output.
        self.log = finished.out.decode(errors="replace") + finished.log
        return got.read_bytes() if got.exists() else b""

    # aiocoap.

    def aiocoap_serve(self, keys: "Keys") -> int:
        port = free_port()
        self.serve("aiocoap", [
            peers.VENV / "bin/python", peers.HERE / "aiocoap_server.py", keys.aiocoap(self, "server"), str(port),
        ], port)
        return self.tap(port)

    def aiocoap_client(self, keys: "Keys", method: str, uri: str, *options: str) -> dict:
        finished = self.run([
            peers.VENV / "bin/python", peers.HERE / "aiocoap_client.py", keys.aiocoap(self, "client"), method, uri, *options,
        ])
        try:
            return json.loads(finished.out)
        except ValueError:
            raise AssertionError(f"aiocoap_client.py: {finished.log[-600:]}") from None


class Tap:
    """A UDP relay in front of a server that keeps what passes, and can lose or change it.

    Indexes count the messages with a code, so neither empty acknowledgements nor Resets, from 0.
    """

    def __init__(self, server: int, back=lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)):
        """`back` makes the sockets that face the server."""
        self.make_back = back
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind((HOST, 0))
        self.port = self.front.getsockname()[1]
        self.server = server
        self.requests: list[bytes] = []
        self.responses: list[bytes] = []
        self.passed: list[tuple[str, bytes]] = []
        self.lost_requests: set[int] = set()
        self.lost_responses: set[int] = set()
        # Whether a copy with its last bit changed goes ahead of the first request, and what the server said to that.
        self.altered_copy_ahead = False
        self.answer_to_copy: bytes | None = None
        self.backs: dict = {}
        self.closed = False
        threading.Thread(target=self.forward, daemon=True).start()

    def forward(self):
        for datagram, client in self.received(self.front):
            if client not in self.backs:
                back = self.backs[client] = self.make_back()
                back.connect((HOST, self.server))
                threading.Thread(target=self.backward, args=(back, client), daemon=True).start()
            if self.altered_copy_ahead and not self.requests:
                self.answer_to_copy = ask(self.server, datagram[:-1] + bytes([datagram[-1] ^ 1]), 1.0)
            if self.keep(datagram, "->", self.requests, self.lost_requests):
                self.backs[client].send(datagram)

    def backward(self, back, client):
        for datagram, _ in self.received(back):
            if self.keep(datagram, "<-", self.responses, self.lost_responses):
                self.front.sendto(datagram, client)

    def received(self, end):
        end.settimeout(0.2)
        while not self.closed:
            try:
                yield end.recvfrom(65536)
            except TimeoutError:
                continue
            except OSError:
                return

    def keep(self, datagram: bytes, way: str, messages: list[bytes], lost: set[int]) -> bool:
        """Writes a datagram down; tells whether it shall arrive."""
        number = len(messages)
        if len(datagram) > 4:
            messages.append(datagram)
        arrives = len(datagram) <= 4 or number not in lost
        self.passed.append((way if arrives else way.replace("-", "x"), datagram))
        return arrives

    def repeat_from_the_client(self, request: bytes) -> bytes | None:
        """Sends a request again from the address it came from, as a new CoAP exchange; gives the answer."""
        before = len(self.responses)
        back = list(self.backs.values())[-1]
        back.send(request[:2] + secrets.token_bytes(2) + request[4:])
        deadline = time.monotonic() + 2
        while len(self.responses) == before and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.responses[-1] if len(self.responses) > before else None

    def nothing_in_the_clear(self) -> None:
        """No request and no success passed without OSCORE, nor block options that OSCORE is to hide (RFC 8613, 4.1)."""
        for way, datagram in self.passed:
            if len(datagram) <= 4 or datagram[1] >> 5 in (4, 5):
                continue
            options, _ = options_of(datagram)
            assert 9 in options, f"in the clear: {way} {datagram.hex()}"
            outside = {3, 6, 7, 9}  # Uri-Host, Observe, Uri-Port, OSCORE
            assert set(options) <= outside, f"options outside: {sorted(options)} in {way} {datagram.hex()}"

    def close(self):
        self.closed = True
        self.front.close()
        for back in self.backs.values():
            back.close()


@dataclasses.dataclass
class Keys:
    """The input of an OSCORE security context (RFC 8613, 3.2), written for each program; ids by role."""

    client_id: bytes = b"\x01"
    server_id: bytes = b"\x02"
    secret: bytes = dataclasses.field(default_factory=lambda: secrets.token_bytes(16))
    salt: bytes = dataclasses.field(default_factory=lambda: secrets.token_bytes(8))
    id_context: bytes | None = None
    alg: int = 10
    hkdf: int = -10

    @staticmethod
    def of_client(oscore: dict) -> "Keys":
        """From the `oscore` object of a client's bundle, whose ids are from the client's side."""
        context = oscore["id_context"]
        return Keys(
            client_id=bytes.fromhex(oscore["sender_id"]), server_id=bytes.fromhex(oscore["recipient_id"]),
            secret=bytes.fromhex(oscore["master_secret"]), salt=bytes.fromhex(oscore["master_salt"]),
            id_context=bytes.fromhex(context) if context is not None else None,
            alg=oscore["alg"], hkdf=oscore["hkdf"],
        )

    def wrong(self) -> "Keys":
        """The same with one byte of the secret changed."""
        return dataclasses.replace(self, secret=self.secret[:-1] + bytes([self.secret[-1] ^ 1]))

    def ids(self, role: str) -> tuple[bytes, bytes]:
        """Sender ID and Recipient ID of "client" or "server"."""
        return (self.client_id, self.server_id) if role == "client" else (self.server_id, self.client_id)

    def ours(self, bench: Bench, role: str) -> pathlib.Path:
        sender, recipient = self.ids(role)
        return bench.write(f"ours-{role}.json", json.dumps({
            "master_secret": self.secret.hex(), "master_salt": self.salt.hex(), "sender_id": sender.hex(),
            "recipient_id": recipient.hex(), "id_context": None if self.id_context is None else self.id_context.hex(),
            "alg": self.alg, "hkdf": self.hkdf,
        }))

    def libcoap(self, bench: Bench, role: str, **settings: str) -> pathlib.Path:
        sender, recipient = self.ids(role)
        lines = [f'master_secret,hex,"{self.secret.hex()}"']
        if self.salt:
            lines.append(f'master_salt,hex,"{self.salt.hex()}"')
        if self.id_context is not None:
            lines.append(f'id_context,hex,"{self.id_context.hex()}"')
        lines += [
            f'sender_id,hex,"{sender.hex()}"', f'recipient_id,hex,"{recipient.hex()}"',
            f"aead_alg,integer,{self.alg}", f"hkdf_alg,integer,{self.hkdf}",
        ]
        lines += [f"{name},bool,{value}" for name, value in settings.items()]
        return bench.write(f"libcoap-{role}.conf", "\n".join(lines) + "\n")

    def aiocoap(self, bench: Bench, role: str) -> pathlib.Path:
        sender, recipient = self.ids(role)
        settings = {
            "algorithm": AEAD_NAMES[self.alg], "kdf-hashfun": HASH_NAMES[self.hkdf], "sender-id_hex": sender.hex(),
            "recipient-id_hex": recipient.hex(), "secret_hex": self.secret.hex(), "salt_hex": self.salt.hex(),
        }
        if self.id_context is not None:
            settings["id-context_hex"] = self.id_context.hex()
        return bench.write(f"aiocoap-{role}/settings.json", json.dumps(settings)).parent


def program(command: list) -> str:
    """The program that a command line is about, past Debian 13's loader and past Python."""
    names = [str(part) for part in command]
    if "ld-linux" in names[0]:
        return names[3]
    if names[0].endswith("python"):
        return names[1]
    return names[0]


def end_group(process: subprocess.Popen) -> None:
    """Ends a process that was started in a session of its own, with everything below it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass
        try:
            process.wait(3)
            return
        except subprocess.TimeoutExpired:
            continue


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def ask(port: int, datagram: bytes, timeout: float) -> bytes | None:
    """Sends one datagram from a new socket and gives the first one that comes back, if any does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((HOST, port))
        probe.settimeout(timeout)
        try:
            probe.send(datagram)
            return probe.recv(65536)
        except TimeoutError:
            return None
        except ConnectionRefusedError:
            time.sleep(0.05)
            return None


def ping(port: int) -> bool:
    """RFC 7252, 4.3: an Empty Confirmable message is answered with Reset."""
    identity = secrets.token_bytes(2)
    return ask(port, b"\x40\x00" + identity, 0.3) == b"\x70\x00" + identity


def options_of(datagram: bytes) -> tuple[dict[int, list[bytes]], bytes]:
    """The options by number and the payload of a CoAP message (RFC 7252, 3)."""
    at, number, options = 4 + (datagram[0] & 15), 0, {}
    while at < len(datagram):
        if datagram[at] == 0xFF:
            return options, datagram[at + 1:]
        parts = [datagram[at] >> 4, datagram[at] & 15]
        at += 1
        for which, value in enumerate(parts):
            if value == 13:
                parts[which], at = datagram[at] + 13, at + 1
            elif value == 14:
                parts[which], at = int.from_bytes(datagram[at:at + 2], "big") + 269, at + 2
        number += parts[0]
        options.setdefault(number, []).append(datagram[at:at + parts[1]])
        at += parts[1]
    return options, b""


def codes(log: str) -> list[str]:
    """The response codes of the decrypted messages in a log of libcoap, in order."""
    return re.findall(r"Decrypted PDU\nv:1 t:\w+ c:(\d\.\d\d)", log)
