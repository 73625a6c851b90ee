"""What each foreign peer and this stack do with one another; every case is one row of the matrix."""

import dataclasses
import json
from typing import Callable

import peers
from bench import HOST, LIBCOAP_CLIENT, Bench, Keys, Tap, ask, codes, options_of
from site_of_ours import ACE_CBOR, Site, token_request, upload

LARGE = bytes((index * 7 + index // 256) % 256 for index in range(3000))
BODY = bytes((index * 13 + index // 100) % 256 for index in range(3000))

FOREIGN_CLIENT = "{} -> ace"
FOREIGN_SERVER = "ace -> {}"


@dataclasses.dataclass
class Case:
    peer: str
    direction: str
    name: str
    run: Callable[[Bench], None]


ALL: list[Case] = []


def case(peer: str, direction: str, name: str):
    def add(run):
        def checked(bench: Bench) -> None:
            run(bench)
            for wire in bench.wires:
                wire.nothing_in_the_clear()

        ALL.append(Case(peer, direction.format(peer), name, checked))
        return run
    return add


def expect(got, wanted, what: str) -> None:
    assert got == wanted, f"{what}: got {short(got)}, expected {short(wanted)}"


def short(value) -> str:
    text = repr(value)
    return text if len(text) <= 160 else f"{text[:157]}... ({len(value)})"


def in_blocks(bench: Bench, least: int) -> None:
    """At least so many requests; with 3000 bytes in blocks of 64 there are 47."""
    assert len(bench.wire.requests) >= least, f"{len(bench.wire.requests)} requests are no {least} blocks"


def uri(port: int, path: str) -> str:
    return f"coap://{HOST}:{port}{path}"


# ---------------------------------------------------------------- libcoap's client, our server


def libcoap_reads(
    bench: Bench, keys: Keys, *options: str, path="/hello", wanted=b"hello from ace", serve=(), lost_requests=(),
    lost_responses=(), altered_copy_ahead=False, **settings: str,
):
    port = bench.peer_serve(keys, *serve)
    bench.wire.lost_requests, bench.wire.lost_responses = set(lost_requests), set(lost_responses)
    bench.wire.altered_copy_ahead = altered_copy_ahead
    got = bench.libcoap_client(keys, port, path, *options, **settings)
    expect(got, wanted, f"GET {path}")


@case("libcoap", FOREIGN_CLIENT, "GET /hello")
def _(bench):
    libcoap_reads(bench, Keys())


@case("libcoap", FOREIGN_CLIENT, "GET /hello, Non-confirmable")
def _(bench):
    libcoap_reads(bench, Keys(), "-N")


@case("libcoap", FOREIGN_CLIENT, "GET /hello, HKDF-SHA-512")
def _(bench):
    libcoap_reads(bench, Keys(hkdf=-11))


@case("libcoap", FOREIGN_CLIENT, "GET /hello, ID Context")
def _(bench):
    libcoap_reads(bench, Keys(id_context=bytes.fromhex("37cbf3210017a2d3")))


@case("libcoap", FOREIGN_CLIENT, "GET /hello, no Master Salt")
def _(bench):
    libcoap_reads(bench, Keys(salt=b""))


@case("libcoap", FOREIGN_CLIENT, "GET /hello, ids of 0 and 7 bytes")
def _(bench):
    libcoap_reads(bench, Keys(client_id=b"", server_id=b"server7"))


@case("libcoap", FOREIGN_CLIENT, "GET /hello, lost replay window (B.1.2 Echo)")
def _(bench):
    libcoap_reads(bench, Keys(), serve=["--unsynchronised"])
    expect(codes(bench.log), ["4.01", "2.05"], "protected answers")


@case("libcoap", FOREIGN_CLIENT, "GET /hello, new context (B.2)")
def _(bench):
    libcoap_reads(bench, Keys(), serve=["--rederive"], rfc8613_b_2="true")
    derived_anew(bench.wire)


def derived_anew(wire: Tap) -> None:
    """R1 to the server, R2 back, R2 || R3 to the server, each wrapped in a CBOR byte string (RFC 8613, B.2)."""
    r1, r2, r2_r3 = (kid_context(message) for message in (wire.requests[0], wire.responses[0], wire.requests[1]))
    assert r1 and r2 and r2_r3.startswith(r2) and len(r2_r3) > len(r2), f"{r1.hex()} {r2.hex()} {r2_r3.hex()}"
    assert r1 not in r2_r3, "R1 again"


def kid_context(message: bytes) -> bytes:
    """The ID Context inside of a wrapped kid context; empty if there is none (RFC 8613, 6.1)."""
    value = options_of(message)[0][9][0]
    if not value or not value[0] & 0x10:
        return b""
    at = 1 + (value[0] & 7)
    wrapped = value[at + 1:at + 1 + value[at]]
    return wrapped[2:] if wrapped[0] == 0x58 else wrapped[1:]


@case("libcoap", FOREIGN_CLIENT, "GET /large, 3000 bytes by Block2")
def _(bench):
    libcoap_reads(bench, Keys(), path="/large", wanted=LARGE)
    in_blocks(bench, 3)


@case("libcoap", FOREIGN_CLIENT, "GET /large, blocks of 64")
def _(bench):
    libcoap_reads(bench, Keys(), "-b", "64", path="/large", wanted=LARGE)
    in_blocks(bench, 47)


def libcoap_stores(bench: Bench, *options: str, lost_requests=(), lost_responses=()):
    keys = Keys()
    port = bench.peer_serve(keys)
    bench.wire.lost_requests, bench.wire.lost_responses = set(lost_requests), set(lost_responses)
    body = bench.write("body", BODY)
    bench.libcoap_client(keys, port, "/store", "-m", "put", "-f", body, *options)
    expect(codes(bench.log)[-1:], ["2.04"], "PUT /store")
    expect(bench.libcoap_client(keys, port, "/store", *options), BODY, "GET /store")


@case("libcoap", FOREIGN_CLIENT, "PUT and GET /store, 3000 bytes by Block1 and Block2")
def _(bench):
    libcoap_stores(bench)
    in_blocks(bench, 6)


@case("libcoap", FOREIGN_CLIENT, "PUT and GET /store, blocks of 64")
def _(bench):
    libcoap_stores(bench, "-b", "64")
    in_blocks(bench, 94)


@case("libcoap", FOREIGN_CLIENT, "PUT and GET /store, a block and an answer lost each way")
def _(bench):
    # Three blocks each way; the indexes count retransmissions too.
    libcoap_stores(bench, lost_requests={1, 5}, lost_responses={2})
    in_blocks(bench, 9)


@case("libcoap", FOREIGN_CLIENT, "Observe /ticks")
def _(bench):
    keys = Keys()
    port = bench.peer_serve(keys)
    got = bench.libcoap_client(keys, port, "/ticks", "-s", "2")
    follow_ticks([b"tick " + part for part in got.split(b"tick ")[1:]])


def follow_ticks(payloads: list[bytes]) -> None:
    numbers = [int(payload.removeprefix(b"tick ")) for payload in payloads]
    assert len(numbers) >= 4, f"too few notifications: {numbers}"
    # The answer that ends the observation may repeat the last state.
    assert numbers == sorted(numbers), f"out of order: {numbers}"
    assert len(set(numbers)) >= 4, f"nothing new in the notifications: {numbers}"


@case("libcoap", FOREIGN_CLIENT, "wrong Master Secret gets nothing")
def _(bench):
    keys = Keys()
    port = bench.peer_serve(keys)
    expect(bench.libcoap_client(keys.wrong(), port, "/hello"), b"", "GET with the wrong key")
    assert "c:2.05" not in bench.log, "an answer with the wrong key"
    # The server is not disturbed by it.
    expect(bench.libcoap_client(keys, port, "/hello"), b"hello from ace", "GET with the right key")


@case("libcoap", FOREIGN_CLIENT, "replayed request is refused")
def _(bench):
    libcoap_reads(bench, Keys())
    last_request_refused(bench.wire)


def last_request_refused(wire: Tap) -> None:
    """The same request in another CoAP exchange is a replay (RFC 8613, 7.4)."""
    request = wire.requests[-1]
    answer = wire.repeat_from_the_client(request)
    assert answer, "a replay from the client's address was ignored"
    refused_as_replay(answer)
    # From elsewhere it may also be left without an answer.
    answer = ask(wire.server, request, 1.0)
    if answer:
        refused_as_replay(answer)


def refused_as_replay(answer: bytes) -> None:
    """4.01 without protection: nothing that only the first answer may say."""
    assert answer[1] == 0x81 and 9 not in options_of(answer)[0], f"a replay was answered with {answer.hex()}"


@case("libcoap", FOREIGN_CLIENT, "GET /hello, its first request is lost")
def _(bench):
    libcoap_reads(bench, Keys(), lost_requests={0})
    same_again(bench.wire.requests)


@case("libcoap", FOREIGN_CLIENT, "GET /hello, our first answer is lost")
def _(bench):
    libcoap_reads(bench, Keys(), lost_responses={0})
    same_again(bench.wire.requests)
    same_again(bench.wire.responses)


def same_again(messages: list[bytes]) -> None:
    """A retransmission, and the answer to one, are the same bytes (RFC 7252, 4.2 and 4.5; RFC 8613, 7.3 allows no other)."""
    assert len(messages) == 2 and messages[0] == messages[1], f"{[message.hex() for message in messages]}"


@case("libcoap", FOREIGN_CLIENT, "an altered copy ahead of the request changes nothing")
def _(bench):
    libcoap_reads(bench, Keys(), altered_copy_ahead=True)
    refused_without_key(bench.wire.answer_to_copy)


def refused_without_key(answer: bytes | None) -> None:
    """4.00 without protection (RFC 8613, 8.2, step 6)."""
    assert answer and answer[1] == 0x80 and 9 not in options_of(answer)[0], f"{answer}"


# What a token of our AS allows at our RS: GET of /temp and of /led.


@case("libcoap", FOREIGN_CLIENT, "GET /temp at `ace rs serve` with a token's context")
def _(bench):
    site = Site(bench)
    got = bench.libcoap_client(site.token_context(), site.rs_port, "/temp")
    assert got, f"nothing read: {bench.log[-600:]}"
    expect(codes(bench.log)[-1:], ["2.05"], "GET /temp")


@case("libcoap", FOREIGN_CLIENT, "refused beyond the token: PUT /led 4.05, PUT /other 4.03")
def _(bench):
    site = Site(bench)
    keys = site.token_context()
    for path, code in [("/led", "4.05"), ("/other", "4.03")]:
        bench.libcoap_client(keys, site.rs_port, path, "-m", "put", "-e", "1")
        expect(codes(bench.log)[-1:], [code], f"PUT {path}")


@case("libcoap", FOREIGN_CLIENT, "GET /temp at `ace rs serve`, replayed, is refused")
def _(bench):
    site = Site(bench)
    assert bench.libcoap_client(site.token_context(), site.rs_port, "/temp"), bench.log[-600:]
    last_request_refused(bench.wires[1])


@case("libcoap", FOREIGN_CLIENT, "GET /temp at `ace rs serve` without OSCORE: 4.01 and where the AS is")
def _(bench):
    site = Site(bench)
    finished = bench.run([*peers.trixie(LIBCOAP_CLIENT), "-v", "8", "-B", "8", "-T", "c0de", uri(site.rs_direct, "/temp")])
    log = finished.out.decode(errors="replace") + finished.log
    # RFC 9200, 5.3: the AS in a map of hints, application/ace+cbor.
    wanted = f"coap://{HOST}:{site.as_direct}/token".encode().hex()
    assert "c:4.01" in log and "ace+cbor" in log and wanted in log, log[-800:]


# ---------------------------------------------------------------- our client, libcoap's server


@case("libcoap", FOREIGN_SERVER, "GET /time, its first answer is an Echo (B.1.2)")
def _(bench):
    ours_reads_time(bench, Keys())
    expect(len(bench.wire.requests), 2, "requests sent")


def ours_reads_time(bench: Bench, keys: Keys, *options: str, **settings: str):
    port = bench.libcoap_serve(keys, **settings)
    got = bench.peer_request(keys, "GET", uri(port, "/time"), *options)
    assert got.code == 0 and got.out.count(b":") == 2, f"{got.out} {got.log}"


@case("libcoap", FOREIGN_SERVER, "GET /time, no Echo")
def _(bench):
    ours_reads_time(bench, Keys(), rfc8613_b_1_2="false")


@case("libcoap", FOREIGN_SERVER, "GET /time, our first request is lost")
def _(bench):
    keys = Keys()
    port = bench.libcoap_serve(keys, rfc8613_b_1_2="false")
    bench.wire.lost_requests = {0}
    got = bench.peer_request(keys, "GET", uri(port, "/time"))
    assert got.code == 0 and got.out.count(b":") == 2, f"{got.out} {got.log}"
    same_again(bench.wire.requests)


# libcoap answers OSCORE requests with an empty ACK and a Confirmable response of its own, which it repeats.
@case("libcoap", FOREIGN_SERVER, "GET /time, its first answer is lost")
def _(bench):
    keys = Keys()
    port = bench.libcoap_serve(keys, rfc8613_b_1_2="false")
    bench.wire.lost_responses = {0}
    got = bench.peer_request(keys, "GET", uri(port, "/time"))
    assert got.code == 0 and got.out.count(b":") == 2, f"{got.out} {got.log}"
    same_again(bench.wire.responses)
    expect(len(bench.wire.requests), 1, "requests sent")


@case("libcoap", FOREIGN_SERVER, "GET /time, Non-confirmable")
def _(bench):
    ours_reads_time(bench, Keys(), "--non")


@case("libcoap", FOREIGN_SERVER, "GET /time, HKDF-SHA-512")
def _(bench):
    ours_reads_time(bench, Keys(hkdf=-11))


@case("libcoap", FOREIGN_SERVER, "GET /time, ID Context")
def _(bench):
    ours_reads_time(bench, Keys(id_context=bytes.fromhex("37cbf3210017a2d3")))


@case("libcoap", FOREIGN_SERVER, "GET /time, no Master Salt")
def _(bench):
    ours_reads_time(bench, Keys(salt=b""))


@case("libcoap", FOREIGN_SERVER, "GET /time, ids of 0 and 7 bytes")
def _(bench):
    ours_reads_time(bench, Keys(client_id=b"", server_id=b"server7"))


@case("libcoap", FOREIGN_SERVER, "GET /time, new context (B.2)")
def _(bench):
    ours_reads_time(bench, Keys(), "--rederive", rfc8613_b_2="true")
    derived_anew(bench.wire)
    derived_anew(bench.wire)


def ours_stores(bench: Bench, keys: Keys, port: int, path: str, *options: str):
    put = bench.peer_request(keys, "PUT", uri(port, path), "--payload-file", bench.write("body", BODY), *options)
    assert put.code == 0, f"PUT {path}: {put.log}"
    got = bench.peer_request(keys, "GET", uri(port, path), *options)
    assert got.code == 0, f"GET {path}: {got.log}"
    expect(got.out, BODY, f"GET {path}")


@case("libcoap", FOREIGN_SERVER, "PUT and GET /example_data, 3000 bytes by Block1 and Block2")
def _(bench):
    keys = Keys()
    ours_stores(bench, keys, bench.libcoap_serve(keys), "/example_data")
    in_blocks(bench, 6)


@case("libcoap", FOREIGN_SERVER, "PUT and GET /example_data, blocks of 64")
def _(bench):
    keys = Keys()
    ours_stores(bench, keys, bench.libcoap_serve(keys), "/example_data", "--block", "64")
    in_blocks(bench, 94)


@case("libcoap", FOREIGN_SERVER, "PUT and GET /example_data, a block and an answer lost each way")
def _(bench):
    keys = Keys()
    port = bench.libcoap_serve(keys)
    bench.wire.lost_requests, bench.wire.lost_responses = {2, 6}, {3}
    ours_stores(bench, keys, port, "/example_data")
    in_blocks(bench, 8)


@case("libcoap", FOREIGN_SERVER, "Observe /time")
def _(bench):
    keys = Keys()
    port = bench.libcoap_serve(keys)
    got = bench.peer_request(keys, "GET", uri(port, "/time"), "--observe", "4")
    times = got.out.split(b"\n")[:-1]
    assert got.code == 0 and len(times) == 4, f"{got.out} {got.log}"
    assert times == sorted(times) and len(set(times)) >= 3, f"{times}"


@case("libcoap", FOREIGN_SERVER, "wrong Master Secret gets nothing")
def _(bench):
    keys = Keys()
    port = bench.libcoap_serve(keys)
    got = bench.peer_request(keys.wrong(), "GET", uri(port, "/time"))
    assert got.code != 0 and got.out == b"", f"{got.out}"


@case("libcoap", FOREIGN_SERVER, "our request, replayed, is refused")
def _(bench):
    ours_reads_time(bench, Keys())
    last_request_refused(bench.wire)


# ---------------------------------------------------------------- aiocoap's client, our server


def aiocoap_asks(bench: Bench, keys: Keys, port: int, method: str, path: str, *options: str) -> bytes:
    got = bench.aiocoap_client(keys, method, uri(port, path), *options)
    assert "error" not in got and got["code"].startswith("2."), f"{method} {path}: {got}"
    return bytes.fromhex(got["payload"])


def aiocoap_reads(bench: Bench, keys: Keys, *options: str, path="/hello", wanted=b"hello from ace", serve=()):
    port = bench.peer_serve(keys, *serve)
    expect(aiocoap_asks(bench, keys, port, "GET", path, *options), wanted, f"GET {path}")


@case("aiocoap", FOREIGN_CLIENT, "GET /hello")
def _(bench):
    aiocoap_reads(bench, Keys())


# (what differs, keys) of every context that both ends can have.
CONTEXTS = [
    ("HKDF-SHA-512", dict(hkdf=-11)),
    ("ID Context", dict(id_context=bytes.fromhex("37cbf3210017a2d3"))),
    ("no Master Salt", dict(salt=b"")),
    ("ids of 0 and 7 bytes", dict(client_id=b"", server_id=b"server7")),
    ("AES-CCM-16-64-256", dict(alg=11)),
    ("AES-CCM-64-64-128", dict(alg=12)),
    ("AES-CCM-16-128-128", dict(alg=30)),
    ("AES-CCM-16-128-256", dict(alg=31)),
    ("A128GCM", dict(alg=1)),
    ("A256GCM", dict(alg=3)),
    ("ChaCha20/Poly1305", dict(alg=24)),
]


def context_keys(parameters: dict) -> Keys:
    # RFC 8613, 3.3: the ids are shorter by what the nonce is shorter.
    limit = {12: 1, 1: 6, 3: 6, 24: 6}.get(parameters.get("alg"), 7)
    keys = Keys(**parameters)
    assert max(len(keys.client_id), len(keys.server_id)) <= limit
    return keys


for name, parameters in CONTEXTS:
    @case("aiocoap", FOREIGN_CLIENT, f"GET /hello, {name}")
    def _(bench, parameters=parameters):
        aiocoap_reads(bench, context_keys(parameters))


@case("aiocoap", FOREIGN_CLIENT, "GET /hello, lost replay window (B.1.2 Echo)")
def _(bench):
    aiocoap_reads(bench, Keys(), serve=["--unsynchronised"])
    expect(len(bench.wire.requests), 2, "requests sent")


@case("aiocoap", FOREIGN_CLIENT, "GET /hello, our first answer is lost")
def _(bench):
    keys = Keys()
    port = bench.peer_serve(keys)
    bench.wire.lost_responses = {0}
    expect(aiocoap_asks(bench, keys, port, "GET", "/hello"), b"hello from ace", "GET /hello")
    same_again(bench.wire.requests)
    same_again(bench.wire.responses)


@case("aiocoap", FOREIGN_CLIENT, "GET /large, 3000 bytes by Block2")
def _(bench):
    aiocoap_reads(bench, Keys(), path="/large", wanted=LARGE)
    in_blocks(bench, 3)


@case("aiocoap", FOREIGN_CLIENT, "GET /large, blocks of 64")
def _(bench):
    aiocoap_reads(bench, Keys(), "--answer-block", "64", path="/large", wanted=LARGE)
    in_blocks(bench, 47)


def aiocoap_stores(bench: Bench, put=(), get=()):
    keys = Keys()
    port = bench.peer_serve(keys)
    aiocoap_asks(bench, keys, port, "PUT", "/store", "--payload", str(bench.write("body", BODY)), *put)
    expect(aiocoap_asks(bench, keys, port, "GET", "/store", *get), BODY, "GET /store")


@case("aiocoap", FOREIGN_CLIENT, "PUT and GET /store, 3000 bytes by Block1 and Block2")
def _(bench):
    aiocoap_stores(bench)
    in_blocks(bench, 6)


@case("aiocoap", FOREIGN_CLIENT, "PUT and GET /store, blocks of 64")
def _(bench):
    aiocoap_stores(bench, ["--block", "64"], ["--answer-block", "64"])
    in_blocks(bench, 94)


@case("aiocoap", FOREIGN_CLIENT, "Observe /ticks")
def _(bench):
    keys = Keys()
    got = bench.aiocoap_client(keys, "GET", uri(bench.peer_serve(keys), "/ticks"), "--observe", "5")
    assert "error" not in got, f"{got}"
    follow_ticks([bytes.fromhex(payload) for payload in got["payloads"]])


@case("aiocoap", FOREIGN_CLIENT, "wrong Master Secret gets nothing")
def _(bench):
    keys = Keys()
    port = bench.peer_serve(keys)
    got = bench.aiocoap_client(keys.wrong(), "GET", uri(port, "/hello"))
    assert "payload" not in got and "error" in got, f"{got}"
    assert not got.get("unprotected", "4").startswith("2."), f"{got}"


@case("aiocoap", FOREIGN_CLIENT, "replayed request is refused")
def _(bench):
    aiocoap_reads(bench, Keys())
    last_request_refused(bench.wire)


def aiocoap_gets_token(bench: Bench, site: Site, *options: str) -> dict:
    """A token for thermo, asked for by aiocoap; the AS's answer with keys as text and byte strings in hex."""
    request = bench.write("token-request", token_request("thermo", "/temp"))
    got = bench.aiocoap_client(
        site.client_keys(), "POST", uri(site.as_port, "/token"), "--payload", str(request), "--format", str(ACE_CBOR),
        "--cbor", *options,
    )
    assert got.get("code", "").startswith("2.01"), f"POST /token: {got}"
    answer = got["cbor"]
    # RFC 9203, 3.2: an access token, the profile and the input material in cnf.
    assert len(answer["1"]) > 40, f"{answer}"
    expect(answer["38"], 2, "ace_profile")
    osc = answer["8"]["4"]
    assert len(osc["2"]) == 32 and osc["0"], f"osc: {sorted(osc)}"
    return answer


@case("aiocoap", FOREIGN_CLIENT, "POST /token at `ace serve`")
def _(bench):
    aiocoap_gets_token(bench, Site(bench))


@case("aiocoap", FOREIGN_CLIENT, "POST /token at `ace serve`, answer in blocks of 64")
def _(bench):
    aiocoap_gets_token(bench, Site(bench), "--answer-block", "64")
    in_blocks(bench, 3)


@case("aiocoap", FOREIGN_CLIENT, "POST /token at `ace serve`, request in blocks of 16")
def _(bench):
    aiocoap_gets_token(bench, Site(bench), "--block", "16")
    in_blocks(bench, 2)


@case("aiocoap", FOREIGN_CLIENT, "POST /token after `ace serve` was killed (B.1.2 Echo)")
def _(bench):
    site = Site(bench)
    first = aiocoap_gets_token(bench, site)
    expect(len(bench.wire.requests), 1, "requests sent")
    site.kill_server_and_start_again()
    second = aiocoap_gets_token(bench, site)
    expect(len(bench.wire.requests), 3, "requests sent")
    # RFC 9203, 3.2.1: the identifier of the input material and the secret are of one token alone.
    for key in ("0", "2"):
        assert first["8"]["4"][key] != second["8"]["4"][key], f"osc {key} twice"


@case("aiocoap", FOREIGN_CLIENT, "a client without this stack: token, upload, GET /temp, PUT refused")
def _(bench):
    site = Site(bench)
    keys = upload(site.rs_direct, aiocoap_gets_token(bench, site))
    assert aiocoap_asks(bench, keys, site.rs_port, "GET", "/temp"), "an empty /temp"
    # The token is for GET of /temp alone, as asked for (RFC 9200, 5.10.2).
    for path, code in [("/temp", "4.05"), ("/led", "4.03")]:
        got = bench.aiocoap_client(keys, "PUT", uri(site.rs_port, path), "--payload", str(bench.write("one", "1")))
        assert got.get("code", "").startswith(code), f"PUT {path}: {got}"


@case("aiocoap", FOREIGN_CLIENT, "GET /temp at `ace rs serve` with a token's context")
def _(bench):
    site = Site(bench)
    assert aiocoap_asks(bench, site.token_context(), site.rs_port, "GET", "/temp"), "an empty /temp"


# ---------------------------------------------------------------- our client, aiocoap's server


def ours_reads_aiocoap(bench: Bench, keys: Keys, *options: str, path="/hello", wanted=b"hello from aiocoap"):
    got = bench.peer_request(keys, "GET", uri(bench.aiocoap_serve(keys), path), *options)
    assert got.code == 0, f"GET {path}: {got.log}"
    expect(got.out, wanted, f"GET {path}")


@case("aiocoap", FOREIGN_SERVER, "GET /hello")
def _(bench):
    ours_reads_aiocoap(bench, Keys())


for name, parameters in CONTEXTS:
    @case("aiocoap", FOREIGN_SERVER, f"GET /hello, {name}")
    def _(bench, parameters=parameters):
        ours_reads_aiocoap(bench, context_keys(parameters))


@case("aiocoap", FOREIGN_SERVER, "GET /hello, it lost its replay window (B.1.2 Echo)")
def _(bench):
    keys = Keys()
    folder = keys.aiocoap(bench, "server")
    bench.write(f"{folder.name}/sequence.json", json.dumps({"next-to-send": 100, "received": "unknown"}))
    ours_reads_aiocoap(bench, keys)
    expect(len(bench.wire.requests), 2, "requests sent")


@case("aiocoap", FOREIGN_SERVER, "GET /hello, its first answer is lost")
def _(bench):
    keys = Keys()
    port = bench.aiocoap_serve(keys)
    bench.wire.lost_responses = {0}
    got = bench.peer_request(keys, "GET", uri(port, "/hello"))
    expect(got.out, b"hello from aiocoap", "GET /hello")
    same_again(bench.wire.requests)
    same_again(bench.wire.responses)


@case("aiocoap", FOREIGN_SERVER, "GET /large, 3000 bytes by Block2")
def _(bench):
    ours_reads_aiocoap(bench, Keys(), path="/large", wanted=LARGE)
    in_blocks(bench, 3)


@case("aiocoap", FOREIGN_SERVER, "GET /large, blocks of 64")
def _(bench):
    ours_reads_aiocoap(bench, Keys(), "--block", "64", path="/large", wanted=LARGE)
    in_blocks(bench, 47)


@case("aiocoap", FOREIGN_SERVER, "PUT and GET /store, 3000 bytes by Block1 and Block2")
def _(bench):
    keys = Keys()
    ours_stores(bench, keys, bench.aiocoap_serve(keys), "/store")
    in_blocks(bench, 6)


@case("aiocoap", FOREIGN_SERVER, "PUT and GET /store, blocks of 64")
def _(bench):
    keys = Keys()
    ours_stores(bench, keys, bench.aiocoap_serve(keys), "/store", "--block", "64")
    in_blocks(bench, 94)


@case("aiocoap", FOREIGN_SERVER, "Observe /ticks")
def _(bench):
    keys = Keys()
    got = bench.peer_request(keys, "GET", uri(bench.aiocoap_serve(keys), "/ticks"), "--observe", "5")
    assert got.code == 0, got.log
    follow_ticks(got.out.split(b"\n")[:-1])


@case("aiocoap", FOREIGN_SERVER, "wrong Master Secret gets nothing")
def _(bench):
    keys = Keys()
    got = bench.peer_request(keys.wrong(), "GET", uri(bench.aiocoap_serve(keys), "/hello"))
    assert got.code != 0 and got.out == b"", f"{got.out}"


@case("aiocoap", FOREIGN_SERVER, "our request, replayed, is refused")
def _(bench):
    ours_reads_aiocoap(bench, Keys())
    last_request_refused(bench.wire)
