#!/usr/bin/env python3
"""Cuts cose-wg.json out of the originals: filter.py <folder of cose-wg/Examples>

Keeps the single-recipient structures, with only what the tests read, one case per line.
"""
import base64, glob, json, os, sys

source, here = sys.argv[1], os.path.dirname(os.path.abspath(__file__))


def octets(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).hex()


cases = []
for path in sorted(glob.glob(f"{source}/*/*.json")):
    name = "/".join(path.split("/")[-2:])
    example = json.load(open(path))
    kind = next((k for k in ("encrypted", "mac0", "sign0") if k in example["input"]), None)
    if kind is None or "cbc-mac" in name:
        continue
    structure = example["input"][kind]
    case = {"name": name, "fail": example.get("fail", False), "kind": kind, "cbor": example["output"]["cbor"],
            "content": example["input"].get("plaintext_hex") or example["input"].get("plaintext", "").encode().hex()}
    if "external" in structure:
        case["external"] = structure["external"]
    if kind == "sign0":
        key = structure["key"]
        case["crv"] = key["crv"]
        case |= {c: key.get(c + "_hex") or octets(key.get(c, "")) for c in ("x", "y")}
    else:
        case["key"] = example["intermediates"]["CEK_hex"]
    cases.append(case)

lines = ",\n".join("  " + json.dumps(c, separators=(",", ":")) for c in cases)
with open(os.path.join(here, "cose-wg.json"), "w") as f:
    f.write('{"cases":[\n%s\n]}\n' % lines)
