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


def dtls(keys: dict) -> bytes:
    if "psk" in keys:
        return field(32, bytes.fromhex(keys["psk_identity"])) + field(33, bytes.fromhex(keys["psk"]))
    return field(34, bytes.fromhex(keys["private_key"])) + field(35, bytes.fromhex(keys["peer_public_key"]))


def client(bundle: dict, as_port: int, rs_port: int) -> bytes:
    """A client that reaches the authorization server and one resource server on the host's loopback."""
    server = bundle["as"]
    fields = field(1, address(as_port)) + field(2, server["uri"].encode()) + field(3, address(rs_port))
    return fields + (oscore(server["oscore"]) if server.get("oscore") else dtls(server["dtls"]))


def resource_server(bundle: dict) -> bytes:
    """A resource server with the first of its token keys."""
    key = bundle["token_keys"][0]
    fields = field(2, bundle["as"]["uri"].encode()) + field(48, bundle["audience"].encode())
    fields += field(49, bundle["issuer"].encode()) + field(50, bytes.fromhex(key["kid"]))
    fields += field(51, number(key["alg"])) + field(52, bytes.fromhex(key.get("k") or key["public_key"]))
    if bundle.get("key_derivation_key"):
        fields += field(53, bytes.fromhex(bundle["key_derivation_key"]))
    own = (bundle["as"].get("dtls") or {}).get("private_key")
    return fields + (field(54, bytes.fromhex(own)) if own else b"")


def both(client_fields: bytes, server_fields: bytes) -> bytes:
    """One device that is client and resource server; it has one authorization server."""
    assert client_fields[8] == 2 and server_fields[0] == 2, "the second field of one and the first of the other: its URI"
    return client_fields + server_fields[2 + server_fields[1]:]
