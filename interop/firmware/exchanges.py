"""The exchanges between a board and programs on the host: who asks whom, over which profile."""

import dataclasses
import json
import pathlib
import sys
from collections.abc import Callable

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import provision  # noqa: E402
from bench import HOST, Bench, Keys, free_port  # noqa: E402
from emulator import Board, Step  # noqa: E402


@dataclasses.dataclass
class Measured:
    """What the board says that an exchange took."""

    steps: list[Step]
    stack: int
    made: int

    @staticmethod
    def of(board: Board) -> "Measured":
        return Measured(board.steps(), board.stack(), board.made())


@dataclasses.dataclass
class Exchange:
    """One row of the table: `run` raises what Bench raises if something is not as it must be."""

    image: str
    name: str
    needs: list[str]
    run: Callable[[Bench, pathlib.Path], Measured]


ALL: list[Exchange] = []


def exchange(image: str, name: str, *needs: str):
    """Takes a function for the exchange that measures this configuration of build.py; `needs` are foreign peers."""
    def take(run):
        ALL.append(Exchange(image, name, list(needs), run))
        return run
    return take


class Site:
    """An authorization server on the host."""

    def __init__(self, bench: Bench):
        self.bench = bench
        self.port = free_port()
        self.folder = bench.place / "site"
        self.ace("init", self.folder, "--listen", f"{HOST}:{self.port}", site=False)

    def ace(self, *arguments, site=True) -> bytes:
        place = ("--site", self.folder) if site else ()
        finished = self.bench.run([self.bench.tools["ace"], *arguments, *place], timeout=60)
        assert finished.code == 0, f"ace {' '.join(map(str, arguments))}: {finished.log}"
        return finished.out

    def bundle(self, kind: str, name: str, *options: str) -> tuple[pathlib.Path, dict]:
        """Registers a client ("client") or a resource server ("rs")."""
        printed = self.ace(kind, "add", name, *options)
        return self.bench.write(f"{name}.json", printed), json.loads(printed)

    def serve(self) -> None:
        self.bench.serve("as", [self.bench.tools["ace"], "serve", "--site", self.folder], self.port)


@exchange("client-oscore", "`ace serve`, `ace rs serve`")
def _(bench: Bench, image: pathlib.Path) -> Measured:
    site = Site(bench)
    thermo, _ = site.bundle("rs", "thermo")
    _, alice = site.bundle("client", "alice")
    for scope in ("GET /temp", "PUT /led"):
        site.ace("grant", "alice", "thermo", scope)
    site.serve()
    rs_port = free_port()
    bench.serve("rs", [bench.tools["ace"], "rs", "serve", thermo, "--listen", f"{HOST}:{rs_port}"], rs_port)
    board = Board(bench.place / "board", image, provision.client(alice, site.port, rs_port))
    board.start()
    code = board.wait()
    assert code == 0, f"the image ended with code {code}: {board.said()}"
    expect(board.told("answer"), ["Content 22.5 C", "Changed ", "Content 22.5 C"])
    return Measured.of(board)


class Lock:
    """The resource server image, with an authorization server, and alice who may read and open."""

    def __init__(self, bench: Bench, image: pathlib.Path):
        self.bench = bench
        self.site = Site(bench)
        _, bundle = self.site.bundle("rs", "lock")
        self.alice, _ = self.site.bundle("client", "alice")
        for scope in ("GET /temp", "GET,PUT /lock"):
            self.site.ace("grant", "alice", "lock", scope)
        self.site.serve()
        self.board = Board(bench.place / "board", image, provision.resource_server(bundle))
        self.port = self.board.serve()

    def ask(self, method: str, path: str, *payload: str) -> str:
        """What our own client gets."""
        finished = self.bench.run([
            self.bench.tools["ace"], "request", method, f"coap://{HOST}:{self.port}{path}", *payload, "--as", self.alice,
            "--timeout", "60",
        ], timeout=70)
        assert finished.code == 0, f"{method} {path}: {finished.log} the board said: {self.board.said()}"
        return finished.out.decode().strip()

    def measured(self) -> Measured:
        """Ends the board."""
        self.board.wait_for("lock open")
        assert self.board.process.poll() is None, f"the board stopped: {self.board.said()}"
        measured = Measured.of(self.board)
        self.board.kill()
        return measured


@exchange("rs-oscore", "`ace request`")
def _(bench: Bench, image: pathlib.Path) -> Measured:
    lock = Lock(bench, image)
    expect(lock.ask("GET", "/temp"), "21.5 C")
    expect(lock.ask("GET", "/lock"), "closed")
    lock.ask("PUT", "/lock", "open")
    expect(lock.ask("GET", "/lock"), "open")
    return lock.measured()


def token_context(lock: Lock) -> Keys:
    """Gets a token for alice, uploads it to the board, and gives the context, for a client that knows only OSCORE."""
    bench = lock.bench
    finished = bench.run([
        bench.tools["peer"], "token-context", "--client", lock.alice, "--audience", "lock", "--rs", f"{HOST}:{lock.port}",
    ])
    assert finished.code == 0, f"token-context: {finished.log}"
    return Keys.of_client(json.loads(finished.out))


@exchange("rs-oscore", "libcoap's coap-client", "libcoap")
def _(bench: Bench, image: pathlib.Path) -> Measured:
    lock = Lock(bench, image)
    keys = token_context(lock)
    expect(bench.libcoap_client(keys, lock.port, "/temp"), b"21.5 C")
    bench.libcoap_client(keys, lock.port, "/lock", "-m", "put", "-e", "open")
    return lock.measured()


@exchange("rs-oscore", "aiocoap", "aiocoap")
def _(bench: Bench, image: pathlib.Path) -> Measured:
    lock = Lock(bench, image)
    keys = token_context(lock)
    base = f"coap://{HOST}:{lock.port}"
    expect(bench.aiocoap_client(keys, "GET", base + "/temp").get("payload"), b"21.5 C".hex())
    bench.aiocoap_client(keys, "PUT", base + "/lock", "--payload", str(bench.write("open", "open")))
    return lock.measured()


def expect(got, wanted) -> None:
    assert got == wanted, f"expected {wanted}, got {got}"
