"""Ports for what a test starts, and whether it answers yet."""

import socket

import aiohttp


def free_port() -> int:
    """A port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def answers(url: str, status: int | None = 200) -> bool:
    """Whether a GET is answered by that status; by any, where it is None."""
    try:
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            return status in (None, answer.status)
    except aiohttp.ClientError:
        return False
