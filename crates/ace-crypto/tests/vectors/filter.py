#!/usr/bin/env python3
"""Cuts the vectors of this folder out of the originals: filter.py <folder with wycheproof/ cose-wg-examples/ rfc3610/>

Keeps the parameter sets that COSE registers and DTLS 1.2 uses, drops what the tests do not read, one case per line.
"""
import base64, glob, json, os, sys

source, here = sys.argv[1], os.path.dirname(os.path.abspath(__file__))


def write(name, origin, cases):
    lines = ",\n".join("  " + json.dumps(c, separators=(",", ":")) for c in cases)
    with open(os.path.join(here, name), "w") as f:
        f.write('{"origin":%s,"cases":[\n%s\n]}\n' % (json.dumps(origin), lines))


def wycheproof(name, keep, fields, group_fields, valid=lambda t: t["result"] == "valid", output=None):
    cases = []
    for group in json.load(open(f"{source}/wycheproof/{name}_test.json"))["testGroups"]:
        if keep(group):
            for t in group["tests"]:
                case = {"id": t["tcId"], "valid": valid(t)}
                case |= {f: t[f] for f in fields}
                case |= {k: f(group) for k, f in group_fields.items()}
                cases.append(case)
    write(f"wycheproof-{(output or name).replace('_', '-')}.json", f"{name}_test.json", cases)


AEAD = ["key", "iv", "aad", "msg", "ct", "tag"]
wycheproof("aes_ccm", lambda g: g["keySize"] != 192 and g["ivSize"] in (56, 104) and g["tagSize"] in (64, 128), AEAD, {})
wycheproof("aes_ccm", lambda g: (g["keySize"], g["ivSize"]) == (128, 96) and g["tagSize"] in (64, 128), AEAD, {},
           output="aes_ccm_tls")
wycheproof("aes_gcm", lambda g: g["ivSize"] == 96, AEAD, {})
wycheproof("chacha20_poly1305", lambda g: g["ivSize"] == 96, AEAD, {})
for sha in ("256", "512"):
    wycheproof(f"hkdf_sha{sha}", lambda g: True, ["ikm", "salt", "info", "size", "okm"], {})
wycheproof("hmac_sha256", lambda g: g["tagSize"] == 256, ["key", "msg", "tag"], {})
POINT = {"point": lambda g: g["publicKey"]["uncompressed"]}
wycheproof("ecdsa_secp256r1_sha256_p1363", lambda g: True, ["msg", "sig"], POINT)
wycheproof("ecdsa_secp256r1_sha256", lambda g: True, ["msg", "sig"], {"spki": lambda g: g["publicKeyDer"]})
ECDH = ["public", "private", "shared"]
# "Acceptable" are compressed points, which TLS does not use, and keys with other ASN.1 than the one of RFC 5480.
wycheproof("ecdh_secp256r1_ecpoint", lambda g: True, ECDH, {})
wycheproof("ecdh_secp256r1", lambda g: True, ECDH, {})
# "Acceptable" are points on the twist and non-canonical ones, which RFC 7748 takes, and those that lead to zero.
wycheproof("x25519", lambda g: True, ECDH, {},
           valid=lambda t: t["result"] != "invalid" and "ZeroSharedSecret" not in t["flags"])
wycheproof("ed25519", lambda g: True, ["msg", "sig"], {"pk": lambda g: g["publicKey"]["pk"]})


def item(b, i):
    """One CBOR data item of bytes b at offset i, as (value, next offset)."""
    major, low, i = b[i] >> 5, b[i] & 31, i + 1
    if low > 23:
        size = 1 << (low - 24)
        low, i = int.from_bytes(b[i : i + size], "big"), i + size
    if major < 2:
        return (low if major == 0 else -1 - low), i
    if major < 4:
        return b[i : i + low], i + low
    if major == 6:
        return item(b, i)
    if major == 7:
        return None, i
    out = []
    for _ in range(low * (major - 3)):
        value, i = item(b, i)
        out.append(value)
    return (out if major == 4 else dict(zip(out[::2], out[1::2]))), i


def octets(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


aead, mac, hkdf, sign = [], [], [], []
for path in sorted(glob.glob(f"{source}/cose-wg-examples/*-examples/*.json")):
    folder, example = path.split("/")[-2], json.load(open(path))
    name = "/".join(path.split("/")[-2:])
    kind = next(k for k in example["input"] if k in ("encrypted", "enveloped", "mac", "mac0", "sign0", "sign"))
    structure, step = example["input"][kind], example.get("intermediates", {})
    plain = example["input"].get("plaintext", "").encode().hex()
    message = item(bytes.fromhex(example["output"]["cbor"]), 0)[0]
    valid = not example.get("fail", False)
    if folder in ("aes-ccm-examples", "aes-gcm-examples", "chacha-poly-examples"):
        protected = item(message[0], 0)[0] if message[0] else {}
        if name == "chacha-poly-examples/chacha-poly-enc-01.json":
            # Printed with the context of a draft, "Encrypt1"; the tag was made with "Encrypt0".
            step["AAD_hex"] = step["AAD_hex"].replace(b"Encrypt1".hex().upper(), b"Encrypt0".hex().upper())
        iv = message[1].get(5) or bytes.fromhex(structure["unsent"]["IV_hex"])
        aead.append({"name": name, "valid": valid, "alg": protected[1], "key": step["CEK_hex"], "iv": iv.hex(),
                     "aad": step["AAD_hex"], "msg": plain, "ct": message[2].hex()})
    if folder == "hmac-examples":
        mac.append({"name": name, "valid": valid, "alg": item(message[0], 0)[0][1], "key": step["CEK_hex"],
                    "msg": step["ToMac_hex"], "tag": message[3].hex()})
    if folder == "hkdf-hmac-sha-examples":
        recipient = structure["recipients"][0]
        salt = recipient.get("unprotected", {}).get("salt_hex") or recipient.get("unprotected", {}).get("salt", "").encode().hex()
        hkdf.append({"name": name, "sha": int(name[-11:-8]), "ikm": octets(recipient["key"]["k"]).hex(), "salt": salt,
                     "info": step["recipients"][0]["Context_hex"], "okm": step["CEK_hex"]})
    if kind == "sign0" and folder in ("ecdsa-examples", "eddsa-examples"):
        key, alg = structure["key"], item(message[0], 0)[0][1]
        if (alg, key["crv"]) in ((-7, "P-256"), (-8, "Ed25519")):
            coordinate = lambda c: key.get(c + "_hex") or octets(key.get(c, "")).hex()
            sign.append({"name": name, "valid": valid, "alg": alg, "x": coordinate("x"), "y": coordinate("y"),
                         "msg": step["ToBeSign_hex"], "sig": message[3].hex()})
write("cose-wg-aead.json", "aes-ccm-examples, aes-gcm-examples, chacha-poly-examples", aead)
write("cose-wg-mac.json", "hmac-examples", mac)
write("cose-wg-hkdf.json", "hkdf-hmac-sha-examples", hkdf)
write("cose-wg-sign.json", "ecdsa-examples, eddsa-examples", sign)

ccm = json.load(open(f"{source}/rfc3610/rfc3610-aes-ccm.json"))["vectors"]
write("rfc3610-aes-ccm.json", "RFC 3610, section 8; the vectors with an 8-byte tag", [v for v in ccm if v["tag_len"] == 8])
