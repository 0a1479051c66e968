"""Ports are picked once, kept, and reported when another program uses them."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from switchboard.local.ports import PortInUse, Ports, is_free
from switchboard.local.stack import Stack
from switchboard.local.stack_directory import StackDirectory


@pytest.fixture
def taken() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def test_a_port_is_kept_for_the_next_start(tmp_path: Path) -> None:
    port = Ports.of(tmp_path).get("postgres")

    assert Ports.of(tmp_path).get("postgres") == port


def test_two_programs_of_one_stack_never_share_a_port(tmp_path: Path) -> None:
    ports = Ports.of(tmp_path)

    assert len({ports.get(f"program-{n}") for n in range(200)}) == 200


def test_a_kept_port_used_by_another_program_is_replaced(tmp_path: Path, taken: int) -> None:
    ports = Ports.of(tmp_path)
    ports.put("postgres", taken)
    free = ports.get("redis")

    ports.repick_lost()

    assert is_free(Ports.of(tmp_path).get("postgres"))
    assert Ports.of(tmp_path).get("redis") == free


def test_a_gateway_port_in_use_is_reported_before_anything_starts(tmp_path: Path, taken: int) -> None:
    stack = Stack.at(StackDirectory(tmp_path, throwaway=True), {}, gateway_port=taken)

    with pytest.raises(PortInUse) as refused:
        stack.up(lambda _: None)

    assert str(refused.value).startswith(f"port {taken} is in use by process {os.getpid()} (")
    assert str(refused.value).endswith("; free it or choose another by SWITCHBOARD_PORT")
    assert not stack.supervisor.processes()
