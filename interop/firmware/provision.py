"""Writes the file `provision` of a board from what `ace client add` or `ace rs add` printed: see images/src/field.rs."""

import ipaddress

# The host, as QEMU's user network shows it to the board.
HOST_SEEN_BY_BOARD = "10.0.2.2"


def field(tag: int, value: bytes) -> bytes:
    assert len(value) < 256, f"field {tag} has {len(value)} bytes"
    return bytes([tag, len(value)]) + value


def number(value: int) -> bytes:
    return value.to_bytes(8, "big", signed=True)


def address(port: int) -> bytes:
    return ipaddress.IPv4Address(HOST_SEEN_BY_BOARD).packed + port.to_bytes(2, "big")


def oscore(context: dict) -> bytes:
    fields = field(16, bytes.fromhex(context["master_secret"])) + field(17, bytes.fromhex(context["master_salt"]))
    fields += field(18, bytes.fromhex(context["sender_id"])) + field(19, bytes.fromhex(context["recipient_id"]))
    if context["id_context"] is not None:
        fields += field(20, bytes.fromhex(context["id_context"]))
    return fields + field(21, number(context["alg"])) + field(22, number(context["hkdf"]))


def client(bundle: dict, as_port: int, rs_port: int) -> bytes:
    """A client that reaches the authorization server and one resource server on the host's loopback."""
    fields = field(1, address(as_port)) + field(2, bundle["as"]["uri"].encode()) + field(3, address(rs_port))
    return fields + oscore(bundle["as"]["oscore"])


def resource_server(bundle: dict) -> bytes:
    """A resource server with the first of its token keys."""
    key = bundle["token_keys"][0]
    fields = field(2, bundle["as"]["uri"].encode()) + field(48, bundle["audience"].encode())
    fields += field(49, bundle["issuer"].encode()) + field(50, bytes.fromhex(key["kid"]))
    return fields + field(51, number(key["alg"])) + field(52, bytes.fromhex(key["k"]))
