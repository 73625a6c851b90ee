"""Prepares what the exchanges need, and carries them out."""

import dataclasses
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import build  # noqa: E402
import peers  # noqa: E402
from bench import Bench  # noqa: E402
from exchanges import Exchange  # noqa: E402


def prepare(chosen: list[Exchange]) -> tuple[dict, dict]:
    """Installs and builds; the host's programs, and the images by configuration."""
    if not shutil.which("qemu-system-arm"):
        peers.apt_install("qemu-system-arm")
    subprocess.run(["rustup", "target", "add", build.TARGET], check=True, capture_output=True)
    for peer in sorted({peer for each in chosen for peer in each.needs}):
        print(f"preparing {peer}", file=sys.stderr, flush=True)
        peers.INSTALL[peer]()
    print("building", file=sys.stderr, flush=True)
    tools = peers.build(oscore=True, dtls=False)
    return tools, {name: build.image(name) for name in dict.fromkeys(each.image for each in chosen)}


def run(each: Exchange, place: pathlib.Path, tools: dict, image: pathlib.Path) -> dict:
    """One exchange as one row."""
    row = {"image": each.image, "with": each.name, "outcome": "ok", "detail": "", "stack": 0, "made": 0, "steps": []}
    started = time.monotonic()
    place.mkdir()
    try:
        with Bench(place, tools) as bench:
            measured = each.run(bench, image)
        row |= {"stack": measured.stack, "made": measured.made, "steps": [dataclasses.asdict(step) for step in measured.steps]}
    except (AssertionError, LookupError, ValueError, subprocess.SubprocessError, OSError) as error:
        row |= {"outcome": "FAILED", "detail": f"{type(error).__name__}: {error}"}
    return row | {"seconds": round(time.monotonic() - started, 1)}
