"""Builds the images, and reads from their ELF files what they take."""

import os
import pathlib
import shutil
import struct
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
TARGET = "thumbv7m-none-eabi"

# Name: the program of the crate `images`, its features, and what the configuration is.
CONFIGURATIONS = {
    "bare": ("bare", [], "board and network stack"),
    "empty": ("empty", [], "records in flash (`ace-embedded`)"),
    "client-oscore": ("client", ["client", "oscore"], "client, coap_oscore"),
    "client-psk": ("client", ["client", "dtls"], "client, coap_dtls PSK"),
    "client-rpk": ("client", ["client", "es256"], "client, coap_dtls RPK (P-256)"),
    "rs-oscore": ("resource-server", ["server", "oscore"], "resource server, coap_oscore, 4 tokens, encrypted tokens"),
    "rs-psk": ("resource-server", ["server", "dtls"], "resource server, coap_dtls PSK, 2 sessions"),
    "rs-rpk": ("resource-server", ["server", "es256"], "resource server, coap_dtls RPK (P-256), 2 sessions, signed tokens"),
    "all": ("all", ["client", "server", "oscore", "es256"], "all of it, client and server, both profiles, P-256"),
}


# Firmware in C on libace: name of the image, its source, and what it is.
IN_C = {
    "c-client": ("client.c", "client in C"),
    "c-rs": ("resource_server.c", "resource server in C"),
}


def output() -> pathlib.Path:
    """Where cargo builds."""
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target"))


def image(name: str, words: bool = False) -> pathlib.Path:
    """Builds a configuration; answers where its ELF file is."""
    if name in IN_C:
        return image_in_c(name)
    program, features, _ = CONFIGURATIONS[name]
    features = features + ["words"] * words
    subprocess.run([
        "cargo", "build", "--quiet", "--locked", "--release", "--target", TARGET, "-p", "images", "--bin", program,
        "--features", ",".join(features),
    ], check=True, cwd=HERE)
    built = output() / TARGET / "images" / (name + "-words" * words)
    built.parent.mkdir(exist_ok=True)
    shutil.copy2(output() / TARGET / "release" / program, built)
    return built


def library() -> pathlib.Path:
    """Builds libace for the board; answers where it is."""
    profile = {"opt-level": '"z"', "lto": "true", "codegen-units": "1", "panic": '"abort"', "overflow-checks": "false"}
    settings = [word for key, value in profile.items() for word in ("--config", f"profile.release.{key}={value}")]
    subprocess.run([
        "cargo", "rustc", "--quiet", "--locked", "--release", "--manifest-path", HERE.parent.parent / "Cargo.toml", "-p", "ace-ffi",
        "--crate-type", "staticlib", "--target", TARGET, "--target-dir", output(), "--features", "panic-halt", *settings,
    ], check=True, cwd=HERE)
    return output() / TARGET / "release" / "libace_ffi.a"


def image_in_c(name: str) -> pathlib.Path:
    """Builds a firmware in C; answers where its ELF file is."""
    here = HERE / "c"
    built = output() / TARGET / "images" / name
    built.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([
        "arm-none-eabi-gcc", "-mcpu=cortex-m3", "-mthumb", "-Os", "-std=c11", "-Wall", "-Wextra", "-Werror", "-ffreestanding",
        "-ffunction-sections", "-fdata-sections", "-nostartfiles", "-I", HERE.parent.parent / "crates" / "ace-ffi" / "include",
        here / IN_C[name][0], here / "device.c", here / "net.c", here / "board.c", library(), "-T", here / "link.ld",
        "-Wl,--gc-sections", "-Wl,--no-warn-execstack", "--specs=nano.specs", "--specs=nosys.specs", "-o", built,
    ], check=True)
    return built


def sections(elf: pathlib.Path) -> dict[str, int]:
    """Sizes of the sections by name."""
    data = elf.read_bytes()
    assert data[:6] == b"\x7fELF\x01\x01", f"{elf} is not a 32-bit little-endian ELF file"
    start, = struct.unpack_from("<I", data, 32)
    size, count, names = struct.unpack_from("<HHH", data, 46)
    headers = [struct.unpack_from("<10I", data, start + size * number) for number in range(count)]
    text = headers[names][4]

    def name(at: int) -> str:
        return data[text + at:data.index(b"\0", text + at)].decode()

    return {name(header[0]): header[5] for header in headers}


def footprint(elf: pathlib.Path) -> dict[str, int]:
    """Bytes of flash and of static RAM, the stack not among it."""
    found = sections(elf)
    assert not set(found) & {".ARM.exidx", ".got"}, f"{elf}: sections that nobody counts"
    return {
        "flash": sum(found[name] for name in (".vectors", ".text", ".rodata", ".data")),
        "ram": found[".data"] + found[".bss"],
    }
