"""Gets the foreign peers, and builds our own programs."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
STORE = pathlib.Path(os.environ.get("ACE_INTEROP_PEERS", HERE / ".peers"))
TRIXIE = STORE / "trixie"
VENV = STORE / "venv"
TRIXIE_PACKAGES = "libcoap3-bin,openssl,libmbedtls-dev"
MBEDTLS = STORE / "mbedtls-peer"
LIBRARIES = TRIXIE / "usr/lib/x86_64-linux-gnu"
AIOCOAP = "aiocoap[oscore,prettyprint]==0.4.17"


def debian_mirror() -> str:
    """The mirror this machine's own apt uses for Debian."""
    lists = [pathlib.Path("/etc/apt/sources.list"), *pathlib.Path("/etc/apt/sources.list.d").glob("*")]
    for path in lists:
        if path.suffix not in (".list", ".sources") or not path.is_file():
            continue
        for url in re.findall(r"^\s*(?:deb\s+(?:\[[^]]*\]\s*)?|URIs:\s*)(\S+)", path.read_text(), re.M):
            if url.rstrip("/").endswith("/debian"):
                return url
    raise OSError("no Debian mirror among the apt sources of this machine")


def apt_install(package: str) -> None:
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    quiet = dict(stdout=subprocess.DEVNULL, env=environment)
    # Lists that are there already may do.
    subprocess.run(["apt-get", "update"], check=False, **quiet)
    subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", package], check=True, **quiet)


def install_trixie() -> None:
    """libcoap 4.3.4 (with OSCORE), OpenSSL 3.5 (with raw public keys) and Mbed TLS 3.6 (with Connection IDs) of Debian 13."""
    done = TRIXIE / "tmp/complete"
    if done.exists() and done.read_text() == TRIXIE_PACKAGES:
        return
    if not shutil.which("mmdebstrap"):
        apt_install("mmdebstrap")
    STORE.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(TRIXIE, ignore_errors=True)
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=extract", f"--include={TRIXIE_PACKAGES}", "trixie", str(TRIXIE), debian_mirror()],
        check=True,
    )
    done.write_text(TRIXIE_PACKAGES)


def install_openssl_3_5() -> None:
    from_debian("openssl", "openssl")()
    install_trixie()


def install_mbedtls() -> None:
    """Mbed TLS comes without programs: ours is built against its headers, and runs with the loader of Debian 13."""
    install_trixie()
    source = HERE / "mbedtls_peer.c"
    if MBEDTLS.exists() and MBEDTLS.stat().st_mtime > max(source.stat().st_mtime, (TRIXIE / "tmp/complete").stat().st_mtime):
        return
    subprocess.run([
        "cc", "-Wall", "-Wextra", "-I", TRIXIE / "usr/include", "-o", MBEDTLS, source, "-L", LIBRARIES,
        "-Wl,--allow-shlib-undefined", "-lmbedtls", "-lmbedcrypto",
    ], check=True)


def install_aiocoap() -> None:
    done = VENV / "complete"
    if done.exists():
        return
    STORE.mkdir(parents=True, exist_ok=True)
    make = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    if subprocess.run(make, stdout=subprocess.DEVNULL).returncode:
        # Debian's Python comes without ensurepip.
        apt_install("python3-venv")
        subprocess.run(make, check=True)
    subprocess.run([VENV / "bin/pip", "install", "--quiet", "--disable-pip-version-check", AIOCOAP], check=True)
    done.touch()


def from_debian(package: str, *programs: str):
    """Installs a package of this Debian unless its programs are there."""
    def install() -> None:
        if not all(shutil.which(program) for program in programs):
            apt_install(package)
    return install


def install_gnutls() -> None:
    # The namespace of its server, and the keys of both.
    from_debian("iproute2", "ip")()
    from_debian("openssl", "openssl")()
    from_debian("gnutls-bin", "gnutls-cli", "gnutls-serv")()


def install_arm_gcc() -> None:
    from_debian("gcc-arm-none-eabi", "arm-none-eabi-gcc")()
    found = subprocess.run(["arm-none-eabi-gcc", "-print-file-name=nano.specs"], check=True, capture_output=True, text=True)
    # Without the C library the compiler only repeats the name.
    if "/" not in found.stdout:
        apt_install("libnewlib-arm-none-eabi")


def install_libcoap_dtls() -> None:
    from_debian("openssl", "openssl")()
    from_debian("libcoap3-bin", *(f"coap-{side}-{library}" for side in ("client", "server") for library in ("openssl", "gnutls")))()


RUST_PEERS = ("dimpl", "webrtc-dtls")

INSTALL = {
    **{peer: from_debian("openssl", "openssl") for peer in RUST_PEERS},
    "libcoap": install_trixie, "aiocoap": install_aiocoap, "openssl": from_debian("openssl", "openssl"),
    "arm-gcc": install_arm_gcc,
    "gnutls": install_gnutls, "libcoap-dtls": install_libcoap_dtls, "openssl-3.5": install_openssl_3_5, "mbedtls": install_mbedtls,
}


def trixie(program: str) -> list[str]:
    """The command that starts a program of the unpacked Debian 13 with its own loader and libraries."""
    return with_trixie(TRIXIE / "usr/bin" / program)


def with_trixie(program: pathlib.Path) -> list[str]:
    """The same for a program built against those libraries."""
    return [str(LIBRARIES / "ld-linux-x86-64.so.2"), "--library-path", str(LIBRARIES), str(program)]


def build(oscore: bool, dtls: bool, rust: bool = False) -> dict[str, pathlib.Path]:
    """Builds what is needed of `ace`, the plain OSCORE peer and the plain DTLS peer; answers where the programs are."""
    root = HERE.parent
    make = ["cargo", "build", "--quiet", "--locked"]
    if oscore:
        subprocess.run([*make, "--bin", "ace"], check=True, cwd=root)
        subprocess.run(make, check=True, cwd=HERE / "oscore")
    if dtls:
        subprocess.run(make, check=True, cwd=HERE / "dtls")
    if rust:
        # Fetched from the registry and built as Cargo does it.
        subprocess.run(make, check=True, cwd=HERE / "dtls/rust-peers")
    shared = os.environ.get("CARGO_TARGET_DIR")

    def built(folder: pathlib.Path, name: str) -> pathlib.Path:
        return (pathlib.Path(shared) if shared else folder / "target") / "debug" / name

    return {
        "ace": built(root, "ace"), "peer": built(HERE / "oscore", "oscore-peer"), "dtls": built(HERE / "dtls", "dtls-peer"),
        "rust": built(HERE / "dtls/rust-peers", "rust-dtls-peers"),
    }
