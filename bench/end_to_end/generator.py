"""The load generator: compiled once, run as its own process."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from switchboard.local.programs import fingerprint
from switchboard.local.stack_directory import REPOSITORY

SOURCE = Path(__file__).with_name("generator.c")
BUILD = REPOSITORY / ".local" / "bench"


@dataclass(frozen=True)
class Account:
    """How one user writes and listens. `headers`: complete lines. A message's path is `prefix`, phone, `suffix`."""

    host: str
    port: int
    prefix: str
    suffix: str
    headers: Sequence[str]
    body_before: str
    body_after: str
    socket_port: int
    socket_path: str
    hello: str  # the Socket.IO packet that connects

    def line(self) -> str:
        headers = "".join(f"{header}|" for header in self.headers)
        values = (
            self.host, self.port, self.prefix, self.suffix, headers, self.body_before, self.body_after,
            self.socket_port, self.socket_path, self.hello,
        )  # fmt: skip
        return "\t".join(map(str, values))


@dataclass(frozen=True)
class Load:
    """`in_flight`: so many messages at a time, as many as it carries; else `rate` messages a second.

    `size`: messages of a conversation, before the next one begins. `first`: the number of the first conversation.
    """

    seconds: float
    rate: float = 0.0
    in_flight: int = 0
    size: int = 10
    padding: int = 200  # bytes of a message's text
    first: int = 0


@dataclass(frozen=True)
class Heard:
    """What was sent and heard. Latencies are milliseconds: p50, p95, p99."""

    seconds: float
    accepted: int
    refused: int
    heard: int
    heard_in_time: int
    lost: int
    doubled: int
    out_of_order: int
    statuses: int
    cpu: float
    answer: list[float]
    event: list[float]
    refusals: dict[str, int]

    @property
    def faults(self) -> tuple[int, int, int]:
        return self.lost, self.doubled, self.out_of_order


def program() -> Path:
    """Compile the generator unless that is done."""
    built = BUILD / f"generator-{fingerprint(SOURCE.read_bytes())}"
    if not built.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        subprocess.run(["gcc", "-O2", "-o", str(built), str(SOURCE)], check=True)
    return built


def generate(accounts: Sequence[Account], load: Load, sample: Callable[[], Any]) -> tuple[Heard, Any, Any]:
    """Run the load. `sample` is called when all sockets have joined, and when the last message was sent."""
    first = f"{len(accounts)} {load.seconds} {load.rate} {load.in_flight} {load.size} {load.padding} {load.first}"
    with tempfile.NamedTemporaryFile("w", suffix=".plan") as plan:
        plan.write("\n".join([first, *(account.line() for account in accounts)]) + "\n")
        plan.flush()
        process = subprocess.Popen(
            [str(program()), plan.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            _expect(process.stdout.readline(), "joined")
            before = sample()
            process.stdin.write("\n")
            process.stdin.flush()
            _expect(process.stdout.readline(), "done")
            after = sample()
            heard = Heard(**json.loads(process.stdout.readline()))
    return heard, before, after


def phone_of(number: int) -> str:
    """The contact's phone of a conversation, as the generator has it."""
    areas = (212, 213, 312, 415, 617, 702, 305, 404, 503, 206, 214, 303)
    return f"+1{areas[number // 800_000 % 12]}{220 + number // 10_000 % 80:03}{number % 10_000:04}"


def _expect(line: str, word: str) -> None:
    if line.strip() != word:
        raise RuntimeError(f"the generator ended before it said {word!r}")
