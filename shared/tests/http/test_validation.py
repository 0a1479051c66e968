"""Invalid bodies, queries and paths are refused before a handler runs, and the field is named."""

import asyncio
from typing import Any

import aiohttp
import pytest

from .demo_api import problem_of


@pytest.mark.parametrize("raw", [b"", b"{", b'{"name": "a", "size": 1', b"\xff", b'{"name": "\\ud800", "size": 1}'])
async def test_broken_json_is_400(client: aiohttp.ClientSession, as_anna: dict[str, str], raw: bytes) -> None:
    answer = await client.post("/things", data=raw, headers={**as_anna, "Content-Type": "application/json"})

    problem = await problem_of(answer, 400, "malformed")
    assert problem["errors"][0]["loc"] == ["body"]


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"name": "a"}, ["body", "size"]),
        ({"name": "a", "size": 1, "colour": "red"}, ["body", "colour"]),
        ({"name": "a", "size": "1"}, ["body", "size"]),
        ({"name": "a", "size": True}, ["body", "size"]),
        ({"name": "a\0", "size": 1}, ["body", "name"]),
        ({"name": "a", "size": 1, "labels": [{}, {"b": "c\0"}]}, ["body", "labels", 1, "b"]),
        ({"name": "a", "size": 1, "labels": [{"b\0": "c"}]}, ["body", "labels", 0]),
        ({"name": "a", "size": 1, "due": "2026-01-01T00:00:00"}, ["body", "due"]),
        ({"name": "a", "size": 1, "due": "9999-12-31T23:59:59-05:00"}, ["body", "due"]),
        ({"name": "a", "size": 1, "due": "0001-01-01T00:00:00Z"}, ["body", "due"]),
        ({"name": "a", "size": 2**64}, ["body", "size"]),
        ([], ["body"]),
    ],
)
async def test_an_invalid_body_is_422_and_names_the_field(
    client: aiohttp.ClientSession, as_anna: dict[str, str], body: Any, loc: list[str | int]
) -> None:
    answer = await client.post("/things", json=body, headers=as_anna)

    problem = await problem_of(answer, 422, "invalid")
    assert [error["loc"] for error in problem["errors"]] == [loc]


async def test_an_error_never_repeats_values(client: aiohttp.ClientSession, as_anna: dict[str, str]) -> None:
    answer = await client.post("/things", json={"name": ["hunter2"], "size": "hunter2"}, headers=as_anna)

    assert "hunter2" not in await answer.text()


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_another_content_type_is_415(
    client: aiohttp.ClientSession, as_anna: dict[str, str], content_type: str
) -> None:
    answer = await client.post("/things", data=b"{}", headers={**as_anna, "Content-Type": content_type})

    await problem_of(answer, 415, "unsupported_media_type")


async def test_a_body_too_large_is_413(client: aiohttp.ClientSession, as_anna: dict[str, str]) -> None:
    answer = await client.post("/things", json={"name": "a" * 1000, "size": 1}, headers=as_anna)

    await problem_of(answer, 413, "too_large")


async def test_a_chunked_body_too_large_is_413(client: aiohttp.ClientSession, as_anna: dict[str, str]) -> None:
    async def chunks() -> Any:
        for _ in range(3):
            yield b"a" * 500

    headers = {**as_anna, "Content-Type": "application/json"}
    answer = await client.post("/things", data=chunks(), headers=headers)

    await problem_of(answer, 413, "too_large")


async def test_a_body_too_large_is_refused_before_it_is_sent(
    client: aiohttp.ClientSession, as_anna: dict[str, str]
) -> None:
    assert await first_line(client, as_anna, length=1001) == b"HTTP/1.1 413 Request Entity Too Large\r\n"
    assert await first_line(client, {}, length=10) == b"HTTP/1.1 401 Unauthorized\r\n"
    assert await first_line(client, as_anna, length=10) == b"HTTP/1.1 100 Continue\r\n"


async def first_line(client: aiohttp.ClientSession, headers: dict[str, str], length: int) -> bytes:
    """The first line of the answer to a request that announces a body and does not send it."""
    announced = {
        "Host": "demo", "Content-Type": "application/json", "Content-Length": str(length), "Expect": "100-continue",
    }  # fmt: skip
    lines = [f"{name}: {value}" for name, value in (announced | headers).items()]
    assert client._base_url is not None
    reader, writer = await asyncio.open_connection(client._base_url.host, client._base_url.port)
    writer.write("\r\n".join(["POST /things HTTP/1.1", *lines, "", ""]).encode())
    try:
        return await reader.readline()
    finally:
        writer.close()


async def test_expect_100_continue_is_answered(client: aiohttp.ClientSession, as_anna: dict[str, str]) -> None:
    answer = await client.post("/things", json={"name": "a", "size": 1}, headers=as_anna, expect100=True)

    assert answer.status == 201


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=many", "limit=1&limit=2", "cursor=%00"])
async def test_a_bad_query_is_422_and_names_the_field(
    client: aiohttp.ClientSession, as_anna: dict[str, str], query: str
) -> None:
    problem = await problem_of(await client.get(f"/things?{query}", headers=as_anna), 422, "invalid")

    assert [error["loc"] for error in problem["errors"]] == [["query", query.partition("=")[0]]]


@pytest.mark.parametrize("cursor", ["nonsense", "WyJhIl0", "bnVsbA", "%F0%9F%98%80", "W10", "WzEsMl0"])
async def test_a_bad_cursor_is_422(client: aiohttp.ClientSession, as_anna: dict[str, str], cursor: str) -> None:
    problem = await problem_of(await client.get(f"/things?cursor={cursor}", headers=as_anna), 422, "invalid")

    assert problem["errors"][0]["loc"] == ["query", "cursor"]


async def test_an_unknown_query_field_is_422(client: aiohttp.ClientSession, as_anna: dict[str, str]) -> None:
    problem = await problem_of(await client.get("/things?colour=red", headers=as_anna), 422, "invalid")

    assert problem["errors"][0]["loc"] == ["query", "colour"]


@pytest.mark.parametrize("id", ["1", "x" * 36, "%00", "%ff", "{01890000-0000-7000-8000-000000000001}"])
async def test_a_malformed_id_is_404(client: aiohttp.ClientSession, as_anna: dict[str, str], id: str) -> None:
    await problem_of(await client.get(f"/things/{id}", headers=as_anna), 404, "not_found")
