"""coap_dtls (RFC 9202) with foreign clients: the token from `ace serve` over DTLS, its upload, and requests to `ace rs serve`."""

import json
import os
import pathlib
import secrets

import cbor
from bench import HOST, Bench, Finished, free_port
from cases import FOREIGN_CLIENT, case, expect
from dtls_bench import Rpk, unarmoured

PEER = "libcoap-dtls"
ACE_CBOR, CWT = "19", "61"


class Door:
    """A site with a device of both modes of coap_dtls and one registered client, which may GET /temp."""

    def __init__(self, bench: Bench, client: list, device: tuple = ("--profile", "coap_dtls")):
        self.bench = bench
        self.as_coaps, self.coap, self.coaps = (free_port() for _ in range(3))
        self.folder = bench.place / "site"
        as_coap = free_port()
        self.ace("init", self.folder, "--listen", f"{HOST}:{as_coap}", "--listen-coaps", f"{HOST}:{self.as_coaps}", site=False)
        door = bench.write("door.json", self.ace("rs", "add", "door", *device).out)
        self.client = client
        self.count = 0
        self.own = self.register()
        bench.serve("as", [bench.tools["ace"], "serve", "--site", self.folder], as_coap)
        bench.serve("rs", [
            bench.tools["ace"], "rs", "serve", door, "--listen", f"{HOST}:{self.coap}", "--listen-coaps", f"{HOST}:{self.coaps}",
        ], self.coap)

    def register(self) -> dict:
        """Another client; what stands in its bundle for DTLS."""
        self.count += 1
        name = f"client{self.count}"
        bundle = json.loads(self.ace("client", "add", name, *self.client).out)
        self.ace("grant", name, "door", "GET /temp")
        return bundle["as"]["dtls"]

    def ace(self, *arguments, site=True) -> Finished:
        place = ("--site", self.folder) if site else ()
        finished = self.bench.run([self.bench.tools["ace"], *arguments, *place])
        assert finished.code == 0, f"ace {' '.join(map(str, arguments))}: {finished.log}"
        return finished

    def upload(self, token: bytes) -> None:
        """RFC 9202, 3.2.2 and 3.3.2: the bare token, in the clear."""
        _, said = fetch(
            self.bench, "coap-client-notls", f"coap://{HOST}:{self.coap}/authz-info",
            "-m", "post", "-t", CWT, "-f", self.bench.write("token", token),
        )
        assert " 2.01" in said or "c:2.01" in said, f"the device does not take the token: {said[-600:]}"

    def get(self, program: str, *keys) -> bytes:
        got, self.said = fetch(self.bench, program, f"coaps://{HOST}:{self.coaps}/temp", *keys)
        return got

    def put(self, program: str, *keys) -> None:
        """What the token does not cover."""
        _, self.said = fetch(self.bench, program, f"coaps://{HOST}:{self.coaps}/led", "-m", "put", "-e", "1", *keys)
        expect("4.03" in self.said, True, f"PUT /led is not 4.03: {self.said[-600:]}")


def fetch(bench: Bench, program: str, url: str, *options) -> tuple[bytes, str]:
    """The payload that a client of libcoap ends up with, and what it said."""
    got = bench.place / f"got-{secrets.token_hex(4)}"
    finished = bench.run([program, "-v", "7", "-B", "8", "-o", got, *options, url])
    return got.read_bytes() if got.exists() else b"", finished.out.decode(errors="replace") + finished.log


def psk(identity: bytes, key: bytes) -> list:
    """On a command line neither can hold a NUL."""
    return ["-u", os.fsdecode(identity), "-k", os.fsdecode(key)]


def token_request(req_cnf: dict | None = None) -> bytes:
    # RFC 9200, 5.8.1 and RFC 9237: {5: audience, 9: << scope >>}; RFC 9201, 3.1: 4 is req_cnf.
    return cbor.encode({5: "door", 9: cbor.encode([["/temp", 1]])} | ({4: req_cnf} if req_cnf else {}))


def get_token(door: Door, program: str, keys: list, request: bytes) -> dict:
    got, said = fetch(
        door.bench, program, f"coaps://{HOST}:{door.as_coaps}/token",
        "-m", "post", "-t", ACE_CBOR, "-f", door.bench.write("token-request", request), *keys,
    )
    assert got, f"no token: {said[-600:]}"
    information = cbor.decode(got)
    assert 1 in information, f"no token: {information}"
    return information


def with_pre_shared_key(bench: Bench, program: str) -> tuple[Door, dict]:
    """A client with its token, whose key and name can be given on a command line."""
    door = Door(bench, ["--profile", "coap_dtls-psk"])
    for _ in range(16):
        identity, key = (bytes.fromhex(door.own[name]) for name in ("psk_identity", "psk"))
        if 0 in key:
            door.own = door.register()
            continue
        information = get_token(door, program, psk(identity, key), token_request())
        cose_key = information[8][1]
        if 0 not in cose_key[2] + cose_key[-1]:
            return door, information
    raise AssertionError("no token whose key can be given on a command line")


def name_of(kid: bytes) -> bytes:
    """RFC 9202, 3.3.2: {8: {1: {1: 4, 2: kid}}}."""
    return cbor.encode({8: {1: {1: 4, 2: kid}}})


for library in ("openssl", "gnutls"):
    @case(PEER, FOREIGN_CLIENT, f"coap_dtls, pre-shared key: token over DTLS, uploaded, named by kid ({library})")
    def _(bench, program=f"coap-client-{library}"):
        door, information = with_pre_shared_key(bench, program)
        door.upload(information[1])
        key = information[8][1]
        keys = psk(name_of(key[2]), key[-1])
        expect(door.get(program, *keys), b"22.5 C", "GET /temp")
        # A session of its own for each.
        expect(door.get(program, *keys), b"22.5 C", "GET /temp again")
        door.put(program, *keys)


@case(PEER, FOREIGN_CLIENT, "coap_dtls, pre-shared key: nothing for an unknown kid, another key, or without the upload")
def _(bench):
    program = "coap-client-openssl"
    door, information = with_pre_shared_key(bench, program)
    key = information[8][1]
    name = name_of(key[2])
    expect(door.get(program, *psk(name, key[-1])), b"", "GET /temp before the upload")
    door.upload(information[1])
    expect(door.get(program, *psk(name_of(b"nobody"), key[-1])), b"", "GET /temp under another kid")
    wrong = bytes(byte ^ 1 or 2 for byte in key[-1])
    expect(door.get(program, *psk(name, wrong)), b"", "GET /temp under another key")
    expect(door.get(program, *psk(name, key[-1])), b"22.5 C", "GET /temp")
    log = pathlib.Path(bench.place / "rs.log").read_text()
    expect(log.count("handshake refused"), 2, "refusals in the log")
    expect(log.count("handshake failed"), 1, "failures in the log")


for alg, name in (("10", "encrypted"), ("-7", "signed by ES256"), ("-8", "signed by EdDSA")):
    @case(PEER, FOREIGN_CLIENT, f"coap_dtls, raw public keys: token over DTLS, {name}, uploaded (gnutls)")
    def _(bench, alg=alg):
        program, own = "coap-client-gnutls", Rpk(bench)
        der = unarmoured(own.public)
        public = bench.write("own.hex", der.hex())
        door = Door(
            bench, ["--profile", "coap_dtls-rpk", "--public-key", public],
            ("--profile", "coap_dtls-rpk", "--token-alg", alg),
        )
        keys = ["-M", own.sec1]
        # The point stands at the end of the SubjectPublicKeyInfo (RFC 5480, 2.2).
        x, y = der[-64:-32], der[-32:]
        information = get_token(door, program, keys, token_request({1: {1: 2, -1: 1, -2: x, -3: y}}))
        expect(41 in information, True, f"rs_cnf in {information}")
        door.upload(information[1])
        expect(door.get(program, *keys), b"22.5 C", "GET /temp")
        door.put(program, *keys)
