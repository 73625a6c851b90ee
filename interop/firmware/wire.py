"""What passed between a client and a server, judged by somebody who sees the datagrams and no key."""

import bisect
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from bench import options_of  # noqa: E402

OSCORE, URI_PATH, BLOCK1 = 9, 11, 27
POST, CREATED = 0x02, 0x41
# Labels of RFC 9200 and RFC 9203.
ACCESS_TOKEN, NONCE1, NONCE2 = 1, 40, 42


class Wire:
    """`passed`: datagrams with their way, `->` to the server. `boots`: how many had passed when the board started."""

    def __init__(self, passed: list[tuple[str, bytes]], boots: list[int]):
        # Nonce, as far as it shows: to the ciphertexts it protected.
        self.nonces: dict[tuple, set[bytes]] = {}
        # nonce1 and nonce2: to what they came with, and in which life.
        self.fresh: dict[tuple[int, bytes], set[tuple[bytes, int]]] = {}
        # Token: lives of the server in which it was taken.
        self.lives: dict[bytes, set[int]] = {}
        self.protected = 0
        # What a response answers, by the token of CoAP: random enough.
        under_way: dict[bytes, tuple] = {}
        context, body = 0, b""
        for number, (way, datagram) in enumerate(passed):
            code, size = datagram[1], datagram[0] & 0x0f
            if len(datagram) <= 4 or code == 0:
                continue
            handle = datagram[4:4 + size]
            life = bisect.bisect_right(boots, number)
            options, payload = options_of(datagram)
            if OSCORE in options:
                context_id, kid, partial_iv = oscore(options[OSCORE][0])
                if way == "->":
                    nonce = (context, "client", context_id, kid, partial_iv)
                    under_way[handle] = nonce
                    self.protected += 1
                elif partial_iv:
                    nonce = (context, "server", under_way.get(handle, (0, 0, 0, b"", 0))[3], partial_iv)
                else:
                    # The response takes the request's nonce, under the other key.
                    nonce = (context, "response", under_way.get(handle), handle)
                self.nonces.setdefault(nonce, set()).add(payload)
            elif way == "->" and code == POST and b"authz-info" in options.get(URI_PATH, []):
                # In blocks (RFC 7959, 2.2), or in one.
                block = int.from_bytes(options.get(BLOCK1, [b""])[0], "big")
                body = body[:(block >> 4) << (block & 7) + 4] + payload
                if block & 8:
                    continue
                upload = cbor(body)
                self.fresh.setdefault((NONCE1, upload[NONCE1]), set()).add((upload[ACCESS_TOKEN], life))
                under_way[handle] = ("upload", upload[ACCESS_TOKEN])
            elif way == "<-" and code == CREATED and under_way.get(handle, ("",))[0] == "upload":
                answer = cbor(payload)
                if (NONCE2, answer[NONCE2]) not in self.fresh:
                    context += 1
                self.fresh.setdefault((NONCE2, answer[NONCE2]), set()).add((payload, life))
                self.lives.setdefault(under_way[handle][1], set()).add(life)

    @property
    def taken(self) -> int:
        return len(self.lives)

    def check(self) -> None:
        """Raises AssertionError for what must not be."""
        for nonce, ciphertexts in self.nonces.items():
            assert len(ciphertexts) == 1, f"a nonce protected {len(ciphertexts)} messages: {nonce}"
        for (label, nonce), messages in self.fresh.items():
            assert len(messages) == 1, f"{'nonce1' if label == NONCE1 else 'nonce2'} {nonce.hex()} came twice"

    def takes_no_token_in_two_lives(self) -> None:
        """Raises AssertionError if the server took a token again after a restart: the time of a token with `exi` is over then."""
        for token, lives in self.lives.items():
            assert len(lives) == 1, f"a token was taken in {len(lives)} lives: {token.hex()}"


def oscore(value: bytes) -> tuple[bytes, bytes, bytes]:
    """`kid context`, `kid` and Partial IV of an OSCORE option (RFC 8613, 6.1)."""
    if not value:
        return b"", b"", b""
    flags, rest = value[0], value[1:]
    partial_iv, rest = rest[:flags & 7], rest[flags & 7:]
    context_id = b""
    if flags & 0x10:
        context_id, rest = rest[1:1 + rest[0]], rest[1 + rest[0]:]
    return context_id, rest if flags & 8 else b"", partial_iv


def cbor(data: bytes) -> dict:
    """A map of small numbers to byte strings and numbers."""
    value, rest = item(data)
    assert isinstance(value, dict) and not rest, data.hex()
    return value


def item(data: bytes):
    major, low, rest = data[0] >> 5, data[0] & 31, data[1:]
    if low >= 24:
        size = 1 << low - 24
        low, rest = int.from_bytes(rest[:size], "big"), rest[size:]
    if major == 0:
        return low, rest
    if major in (2, 3):
        return rest[:low], rest[low:]
    assert major == 5, f"a CBOR item of type {major}"
    found = {}
    for _ in range(low):
        key, rest = item(rest)
        found[key], rest = item(rest)
    return found, rest
