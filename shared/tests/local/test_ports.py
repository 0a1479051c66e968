"""Ports are picked once, kept, and named when somebody else has them."""

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


def test_a_port_is_kept_for_whoever_asks_again(tmp_path: Path) -> None:
    port = Ports.of(tmp_path).get("postgres")

    assert Ports.of(tmp_path).get("postgres") == port


def test_two_things_of_one_place_never_share_a_port(tmp_path: Path) -> None:
    ports = Ports.of(tmp_path)

    assert len({ports.get(f"thing-{n}") for n in range(200)}) == 200


def test_a_kept_port_that_somebody_took_is_replaced_and_the_others_stay(tmp_path: Path, taken: int) -> None:
    ports = Ports.of(tmp_path)
    ports.put("postgres", taken)
    free = ports.get("redis")

    ports.repick_lost()

    assert is_free(Ports.of(tmp_path).get("postgres"))
    assert Ports.of(tmp_path).get("redis") == free


def test_a_gateway_s_port_in_use_is_named_with_who_has_it_before_anything_is_started(
    tmp_path: Path, taken: int
) -> None:
    stack = Stack.at(StackDirectory(tmp_path, throwaway=True), {}, gateway_port=taken)

    with pytest.raises(PortInUse) as refused:
        stack.up(lambda _: None)

    assert str(refused.value).startswith(f"port {taken} is in use by process {os.getpid()} (")
    assert str(refused.value).endswith("; free it or choose another by SWITCHBOARD_PORT")
    assert not stack.supervisor.processes()
