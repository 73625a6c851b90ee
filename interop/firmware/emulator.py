"""One board under QEMU: a folder with its files, the process, and what it says."""

import dataclasses
import pathlib
import secrets
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from bench import free_port  # noqa: E402

# Nanoseconds of the board's time for an instruction (2 to the power of SHIFT), and for a cycle of its clock.
SHIFT = 4
CYCLE = 20


@dataclasses.dataclass
class Step:
    """What one step of an exchange took on the board."""

    name: str
    instructions: int
    milliseconds: int


class Board:
    """A board that runs `image`. Its flash is a file in `folder` and outlives it; each start gets a new seed."""

    def __init__(self, folder: pathlib.Path, image: pathlib.Path, provision: bytes):
        self.folder = folder
        self.image = image
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "provision").write_bytes(provision)
        self.process: subprocess.Popen | None = None
        self.listener: threading.Thread | None = None
        self.lines: list[str] = []
        self.changed = threading.Condition()

    def start(self, port: int | None = None) -> None:
        """Starts the board. `port` of the host's loopback leads to its CoAP port."""
        assert self.process is None or self.process.poll() is not None, "the board runs"
        (self.folder / "seed").write_bytes(secrets.token_bytes(32))
        forward = f",hostfwd=udp:127.0.0.1:{port}-10.0.2.15:5683" if port else ""
        self.lines = []
        self.process = subprocess.Popen(
            [
                "qemu-system-arm", "-machine", "lm3s6965evb", "-display", "none", "-serial", "none", "-monitor", "none",
                "-icount", f"shift={SHIFT}", "-nic", "user" + forward, "-chardev", "stdio,id=console",
                "-semihosting-config", "enable=on,target=native,chardev=console", "-kernel", self.image,
            ],
            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace",
        )
        self.listener = threading.Thread(target=self.listen, args=(self.process,), daemon=True)
        self.listener.start()

    def serve(self, tries: int = 5) -> int:
        """Starts the board and waits until it serves; the port of the host's loopback that leads to its CoAP port."""
        for _ in range(tries):
            port = free_port()
            self.start(port)
            try:
                self.wait_for("ready")
                return port
            except AssertionError:
                taken = any("forward" in line for line in self.lines)
                self.kill()
                if not taken:
                    raise
        raise AssertionError(f"no port of {tries} was free")

    def listen(self, process: subprocess.Popen) -> None:
        with open(self.folder / "console.log", "a") as log:
            for line in process.stdout:
                log.write(line)
                log.flush()
                with self.changed:
                    self.lines.append(line.rstrip("\n"))
                    self.changed.notify_all()

    def wait_for(self, line: str, timeout: float = 60.0) -> None:
        """Waits until the board said exactly this."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while line not in self.lines:
                ended = self.process.poll() is not None
                if not self.changed.wait(0.1) and (ended or time.monotonic() > deadline):
                    raise AssertionError(f"the board did not say {line!r}; it said: {self.said()}")

    def wait(self, timeout: float = 180.0) -> int:
        """Waits for the image to end by itself; its exit code."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the board did not end within {timeout:.0f} s; it said: {self.said()}") from None
        self.listener.join()
        return code

    def kill(self) -> None:
        """Ends the board at once, as a power cut does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.listener.join()

    def said(self) -> str:
        return " / ".join(self.lines[-8:])

    def told(self, word: str) -> list[str]:
        """What followed this first word, line by line."""
        with self.changed:
            return [line.removeprefix(word + " ") for line in self.lines if line.startswith(word + " ")]

    def steps(self) -> list[Step]:
        rows = [row.split() for row in self.told("step")]
        return [Step(name, int(cycles) * CYCLE >> SHIFT, int(time)) for name, cycles, time in rows]

    def stack(self) -> int:
        """Bytes of stack used since the engines were made."""
        return max(map(int, self.told("stack")), default=0)

    def made(self) -> int:
        """Bytes of stack used to make them."""
        return max(map(int, self.told("made")), default=0)
