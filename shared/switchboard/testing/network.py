"""Find a free port, and check whether a URL answers."""

import socket

import aiohttp


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def answers(url: str, status: int | None = 200) -> bool:
    """Tell whether a GET is answered with that status; None accepts any."""
    try:
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            return status in (None, answer.status)
    except aiohttp.ClientError:
        return False
