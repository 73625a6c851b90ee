"""DTLS: what each foreign peer and `ace-dtls` do with one another; every case is one row of the matrix."""

import re
import secrets
import time

from bench import Bench, Tap
from cases import FOREIGN_CLIENT, FOREIGN_SERVER, Case, expect
from dtls_bench import (
    ANSWER, ECDHE_ECDSA_CCM, ECDHE_ECDSA_CCM_8, ECHO, PSK_CCM, PSK_CCM_8, QUESTION, X509, Psk, Rpk, Suite, Talk, gnutls_client,
    gnutls_server, libcoap_client, libcoap_server, mbedtls_client, mbedtls_server, openssl_3_5_client,
    openssl_3_5_server, openssl_client, openssl_server, openssl_x509_client, openssl_x509_server, our_client, our_server,
    rust_client, rust_server,
)

ALL: list[Case] = []
# Long enough for any handshake that does come to its end.
PATIENCE = 2.0


def case(peer: str, direction: str, name: str):
    def add(run):
        def checked(bench: Bench) -> None:
            run(bench)
            nothing_in_the_clear(bench)

        ALL.append(Case(peer, direction.format(peer), name, checked))
        return run
    return add


def nothing_in_the_clear(bench: Bench) -> None:
    for wire in bench.wires:
        assert wire.passed, "nothing passed the relay"
        for way, datagram in wire.passed:
            for words in (QUESTION, ANSWER, "hello from ace"):
                assert words.encode() not in datagram, f"in the clear: {way} {datagram.hex()}"


# (what the row says, suite, how its keys are made)
PSK_ROWS = [("PSK", PSK_CCM_8, lambda _: Psk()), ("PSK", PSK_CCM, lambda _: Psk())]
RPK_ROWS = [
    ("raw public keys, P-256", ECDHE_ECDSA_CCM_8, Rpk),
    ("raw public keys, P-256", ECDHE_ECDSA_CCM, Rpk),
    ("raw public keys, Ed25519 and X25519", ECDHE_ECDSA_CCM_8, lambda bench: Rpk(bench, "eddsa")),
    ("raw public keys, Ed25519 and X25519", ECDHE_ECDSA_CCM, lambda bench: Rpk(bench, "eddsa")),
]
X509_ROWS = [("X.509, P-256", ECDHE_ECDSA_CCM_8, X509), ("X.509, P-256", ECDHE_ECDSA_CCM, X509)]


def short(suite: Suite) -> str:
    return suite.name.removeprefix("TLS_")


# ---------------------------------------------------------------- lines of text, both ways


def foreign_client_talks(bench: Bench, start, keys, suite: Suite, lost_requests=(), lost_responses=(), options=()) -> Talk:
    ours, port = our_server(bench, keys, suite, *options)
    bench.wire.lost_requests, bench.wire.lost_responses = set(lost_requests), set(lost_responses)
    client = start(bench, keys, suite, port)
    client.say(QUESTION)
    client.until(ECHO)
    ours.until(f"connected {suite.name} ")
    client.end()
    # RFC 5246, 7.2.1
    ours.until("closed: closed by the peer")
    return ours


def foreign_server_talks(
    bench: Bench, start, keys, suite: Suite, lost_requests=(), lost_responses=(), options=(), echoes=False,
) -> Talk:
    server, port = start(bench, keys, suite)
    bench.wire.lost_requests, bench.wire.lost_responses = set(lost_requests), set(lost_responses)
    ours = our_client(bench, keys, suite, port, *options)
    ours.until(f"connected {suite.name} ")
    ours.say(QUESTION)
    server.until(QUESTION)
    if echoes:
        ours.until(QUESTION)
    else:
        server.say(ANSWER)
        ours.until(ANSWER)
    expect(ours.end(), 0, "our exit code")
    return ours


def foreign_client_fails(bench: Bench, start, keys, suite: Suite, reason: str) -> None:
    ours, port = our_server(bench, keys.wrong(), suite)
    client = start(bench, keys, suite, port)
    client.say(QUESTION)
    ours.until(reason)
    assert "connected" not in ours.log and ECHO not in client.log, f"{ours.log} {client.log}"


def foreign_server_fails(bench: Bench, start, keys, suite: Suite, reason: str | None) -> None:
    server, port = start(bench, keys, suite)
    ours = our_client(bench, keys.wrong(), suite, port)
    ours.say(QUESTION)
    if reason:
        ours.until(reason)
    else:
        # Records that do not verify are dropped in silence (RFC 6347, 4.1.2.7).
        time.sleep(PATIENCE)
    assert "connected" not in ours.log and QUESTION not in server.log, f"{ours.log} {server.log}"


def talking_peer(peer: str, client, server, rows, echoes: bool, server_lacks: str | None = None, server_loses=(1, 3)) -> None:
    """The rows of a peer whose programs pass lines of text; without what its server cannot do; with what is lost of its datagrams."""
    for what, suite, keys in rows:
        @case(peer, FOREIGN_CLIENT, f"{short(suite)}, {what}")
        def _(bench, suite=suite, keys=keys):
            foreign_client_talks(bench, client, keys(bench), suite)

        if server_lacks and server_lacks in what:
            continue

        @case(peer, FOREIGN_SERVER, f"{short(suite)}, {what}")
        def _(bench, suite=suite, keys=keys):
            foreign_server_talks(bench, server, keys(bench), suite, echoes=echoes)

    for what, suite, keys in (row for row in rows if row[1] in (PSK_CCM_8, ECDHE_ECDSA_CCM_8) and "Ed25519" not in row[0]):
        @case(peer, FOREIGN_CLIENT, f"{short(suite)}, {what}, a datagram of each flight lost")
        def _(bench, suite=suite, keys=keys):
            foreign_client_talks(bench, client, keys(bench), suite, lost_requests={0, 3}, lost_responses={1, 3})

        @case(peer, FOREIGN_SERVER, f"{short(suite)}, {what}, a datagram of each flight lost")
        def _(bench, suite=suite, keys=keys):
            foreign_server_talks(
                bench, server, keys(bench), suite, lost_requests={0, 3}, lost_responses=server_loses, echoes=echoes,
            )

        wrong = "X.509 of another authority" if keys is X509 else "wrong key"

        @case(peer, FOREIGN_CLIENT, f"{short(suite)}, {wrong}")
        def _(bench, suite=suite, keys=keys):
            made = keys(bench)
            foreign_client_fails(bench, client, made, suite, made.refusal)

        @case(peer, FOREIGN_SERVER, f"{short(suite)}, {wrong}")
        def _(bench, suite=suite, keys=keys):
            made = keys(bench)
            foreign_server_fails(bench, server, made, suite, None if suite is PSK_CCM_8 else made.refusal)


talking_peer("openssl", openssl_client, openssl_server, PSK_ROWS, echoes=False)
talking_peer("gnutls", gnutls_client, gnutls_server, PSK_ROWS + RPK_ROWS, echoes=True)
# OpenSSL's server takes an Ed25519 key for ECDHE_ECDSA in TLS 1.2 alone, not in DTLS 1.2: "no shared cipher".
talking_peer("openssl-3.5", openssl_3_5_client, openssl_3_5_server, RPK_ROWS, echoes=False, server_lacks="Ed25519")
talking_peer("openssl", openssl_x509_client, openssl_x509_server, X509_ROWS, echoes=False)
# Its server never repeats its last flight, which RFC 6347, 4.2.4, asks for: that one is not lost here.
talking_peer("webrtc-dtls", rust_client("webrtc"), rust_server("webrtc"), PSK_ROWS + X509_ROWS, echoes=True, server_loses=(1,))
# dimpl has no other suite with AES-CCM.
talking_peer("dimpl", rust_client("dimpl"), rust_server("dimpl"), PSK_ROWS[:1], echoes=True)
talking_peer("mbedtls", mbedtls_client, mbedtls_server, PSK_ROWS, echoes=True)


# ---------------------------------------------------------------- Connection IDs


# (what the row says, what we ask to be sent, what Mbed TLS asks for)
for what, own, theirs in [
    ("both ways", "aabbccdd", "c1c2c3"), ("to us", "aabbccdd", ""), ("to Mbed TLS", "", "c1c2c3"), ("of 20 bytes", "a5" * 20, "5a" * 20),
]:
    @case("mbedtls", FOREIGN_CLIENT, f"{short(PSK_CCM_8)}, PSK, Connection IDs {what}")
    def _(bench, own=own, theirs=theirs):
        start = lambda bench, keys, suite, port: mbedtls_client(bench, keys, suite, port, theirs)
        foreign_client_talks(bench, start, Psk(), PSK_CCM_8, options=["--cid", own])
        ids_on_the_wire(bench.wire, to_server=own, to_client=theirs)

    @case("mbedtls", FOREIGN_SERVER, f"{short(PSK_CCM_8)}, PSK, Connection IDs {what}")
    def _(bench, own=own, theirs=theirs):
        start = lambda bench, keys, suite: mbedtls_server(bench, keys, suite, theirs)
        foreign_server_talks(bench, start, Psk(), PSK_CCM_8, options=["--cid", own], echoes=True)
        ids_on_the_wire(bench.wire, to_server=theirs, to_client=own)


def ids_on_the_wire(wire: Tap, to_server: str, to_client: str) -> None:
    """Data goes in records of type 25 with the receiver's ID, or of type 23 if it is empty (RFC 9146, 4)."""
    for datagrams, cid in ((wire.requests, bytes.fromhex(to_server)), (wire.responses, bytes.fromhex(to_client))):
        tagged = [datagram for datagram in datagrams if datagram[0] == 25]
        if cid:
            assert len(tagged) >= 1 and all(datagram[11:11 + len(cid)] == cid for datagram in tagged), f"{datagrams}"
        assert bool(cid) != any(datagram[0] == 23 for datagram in datagrams), f"{[one.hex() for one in datagrams]}"


# ---------------------------------------------------------------- a CoAP message inside


def libcoap_rows():
    text = lambda _: Psk(secrets.token_hex(8).encode())
    for library in ("openssl", "gnutls"):
        yield library, "PSK", PSK_CCM_8, text
        yield library, "PSK", PSK_CCM, text
    yield "gnutls", "raw public keys, P-256", ECDHE_ECDSA_CCM_8, Rpk
    yield "gnutls", "raw public keys, P-256", ECDHE_ECDSA_CCM, Rpk


for library, what, suite, keys in libcoap_rows():
    @case("libcoap-dtls", FOREIGN_CLIENT, f"{short(suite)}, {what}, GET /hello, with {library}")
    def _(bench, library=library, suite=suite, keys=keys):
        keys = keys(bench)
        ours, port = our_server(bench, keys, suite, "--coap")
        got = libcoap_client(bench, library, keys, port, "/hello")
        expect(got.out.strip().split(b"\n")[-1], b"hello from ace", "GET /hello")
        ours.until(f"connected {suite.name} ")
        ours.until("closed: closed by the peer")

    @case("libcoap-dtls", FOREIGN_SERVER, f"{short(suite)}, {what}, GET /time, with {library}")
    def _(bench, library=library, suite=suite, keys=keys):
        keys = keys(bench)
        ours = our_client(bench, keys, suite, libcoap_server(bench, library, keys), "--get", "time")
        ours.until(f"connected {suite.name} ")
        expect(ours.end(), 0, "our exit code")
        assert re.search(r"\d\d:\d\d:\d\d", ours.log), ours.log
