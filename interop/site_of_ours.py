"""An authorization server, a resource server and a registered client of this stack, as an operator sets them up."""

import json
import secrets

from bench import HOST, Bench, Finished, Keys, ask, free_port, options_of

ACE_CBOR = 19  # application/ace+cbor


class Site:
    """`ace init`, `rs add`, `client add`, `grant`, `serve` and `rs serve`; alice may GET /temp and GET /led of thermo."""

    def __init__(self, bench: Bench):
        self.bench = bench
        self.as_port, self.rs_port = free_port(), free_port()
        self.folder = bench.place / "site"
        self.ace("init", self.folder, "--listen", f"{HOST}:{self.as_port}", site=False)
        self.thermo = bench.write("thermo.json", self.ace("rs", "add", "thermo", "--audience", "thermo").out)
        self.alice = bench.write("alice.json", self.ace("client", "add", "alice").out)
        self.ace("grant", "alice", "thermo", "GET /temp")
        self.ace("grant", "alice", "thermo", "GET /led")
        self.as_direct = self.as_port
        self.start_server()
        bench.serve("rs", [
            bench.tools["ace"], "rs", "serve", self.thermo, "--listen", f"{HOST}:{self.rs_port}",
        ], self.rs_port)
        # Uploads go past the tap: /authz-info is not protected (RFC 9203, 4.1).
        self.rs_direct = self.rs_port
        self.as_port, self.rs_port = bench.tap(self.as_port), bench.tap(self.rs_port)

    def start_server(self) -> None:
        self.server = self.bench.serve("as", [self.bench.tools["ace"], "serve", "--site", self.folder], self.as_direct)

    def kill_server_and_start_again(self) -> None:
        self.server.kill()
        self.server.wait(5)
        self.start_server()

    def ace(self, *arguments, site=True) -> Finished:
        place = ("--site", self.folder) if site else ()
        finished = self.bench.run([self.bench.tools["ace"], *arguments, *place])
        assert finished.code == 0, f"ace {' '.join(map(str, arguments))}: {finished.log}"
        return finished

    def client_keys(self) -> Keys:
        """The context that alice and the authorization server share."""
        return Keys.of_client(json.loads(self.alice.read_text())["as"]["oscore"])

    def token_context(self) -> Keys:
        """A token's context, obtained by our own client side and not used yet."""
        finished = self.bench.run([
            self.bench.tools["peer"], "token-context", "--client", self.alice, "--audience", "thermo",
            "--rs", f"{HOST}:{self.rs_direct}",
        ])
        assert finished.code == 0, f"token-context: {finished.log}"
        return Keys.of_client(json.loads(finished.out))


def token_request(audience: str, path: str) -> bytes:
    """For GET of one path and the name of the profile (RFC 9200, 5.8.1; RFC 9237): {5: …, 9: <<[[path, 1]]>>, 38: null}."""
    return b"\xa3\x05" + text(audience) + b"\x09" + string(b"\x81\x82" + text(path) + b"\x01") + b"\x18\x26\xf6"


def upload(port: int, access_information: dict) -> Keys:
    """Uploads a token and derives its context (RFC 9203, 4.1 to 4.3), with nothing of this stack.

    `access_information` is the AS's answer as aiocoap_client.py prints it: keys as text, byte strings in hex.
    """
    osc = access_information["8"]["4"]
    token = bytes.fromhex(access_information["1"])
    nonce1, id1 = secrets.token_bytes(8), b"\x55"
    payload = b"\xa3\x01" + string(token) + b"\x18\x28" + string(nonce1) + b"\x18\x2b" + string(id1)
    message_id, message_token = secrets.token_bytes(2), secrets.token_bytes(4)
    # CON POST /authz-info, Content-Format 19
    request = b"\x44\x02" + message_id + message_token + b"\xbaauthz-info" + b"\x11\x13" + b"\xff" + payload
    answer = ask(port, request, 5.0)
    assert answer is not None, "no answer from /authz-info"
    assert answer[:8] == b"\x64\x41" + message_id + message_token, f"expected a piggybacked 2.01, got {answer.hex()}"
    options, body = options_of(answer)
    assert options.get(12) == [b"\x13"], f"Content-Format of the answer: {options}"
    # {42: nonce2, 44: ace_server_recipientid}, in either order.
    assert body[0] == 0xa2, f"expected a map of two, got {body.hex()}"
    members, rest = {}, body[1:]
    while rest:
        key, length = rest[:2], rest[2] - 0x40
        assert 0 <= length < 24, f"expected a short byte string, got {rest.hex()}"
        members[key], rest = rest[3:3 + length], rest[3 + length:]
    nonce2, id2 = members[b"\x18\x2a"], members[b"\x18\x2c"]
    hashes = {5: -10, 7: -11}
    hkdf = osc.get("3", -10)
    return Keys(
        client_id=id2, server_id=id1, secret=bytes.fromhex(osc["2"]),
        salt=string(bytes.fromhex(osc.get("5", ""))) + string(nonce1) + string(nonce2),
        id_context=bytes.fromhex(osc["6"]) if "6" in osc else None,
        alg=osc.get("4", 10), hkdf=hashes.get(hkdf, hkdf),
    )


def head(major: int, length: int) -> bytes:
    if length < 24:
        return bytes([major << 5 | length])
    if length < 256:
        return bytes([major << 5 | 24, length])
    return bytes([major << 5 | 25]) + length.to_bytes(2, "big")


def string(value: bytes) -> bytes:
    return head(2, len(value)) + value


def text(value: str) -> bytes:
    return head(3, len(value)) + value.encode()
