"""Serving the console: the page, its assets and their headers. The API keeps every other path."""

import gzip
import json
import posixpath
import re
from base64 import b64encode
from hashlib import sha256
from typing import Any

from api_gateway.console.release import IMPORTS, console_release
from api_gateway.console.routes import accepts_gzip

PLAIN = {"Accept-Encoding": "identity"}
FIRST_LOAD = 120_000  # bytes at most


async def test_the_page_runs_only_its_own_scripts(stack: Any) -> None:
    gateway = await stack.gateway()

    async with stack.client.get(f"{gateway}/", headers=PLAIN) as answer:
        page = await answer.text()
        policy = answer.headers["Content-Security-Policy"]

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    inline = re.findall(r"<script(?: type=\"importmap\")?>(.*?)</script>", page)
    assert len(inline) == 2
    for script in inline:
        assert f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in policy


async def test_all_that_the_page_names_is_served_for_ever(stack: Any) -> None:
    gateway = await stack.gateway()
    async with stack.client.get(f"{gateway}/", headers=PLAIN) as answer:
        page = await answer.text()
    imports = json.loads(re.findall(r'importmap">(.*?)</script>', page)[0])["imports"]

    paths = {*re.findall(r'(?:src|href)="(/assets/[^"]+)"', page), *imports.values()}
    assert len(paths) > 20
    for path in paths:
        async with stack.client.get(gateway + path, headers={"Accept-Encoding": "gzip"}) as answer:
            body = await answer.read()
        assert answer.status == 200, path
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert gzip.decompress(body) == console_release().assets[path].content


async def test_the_first_load_is_small() -> None:
    release = console_release()
    page = release.page.content.decode()

    named = {path for path in release.assets if f'="{path}"' in page}

    assert len(named) > 20
    everything = {path for path in release.assets if "/vendor/uPlot" not in path}  # which a chart fetches
    assert named <= everything
    assert len(release.page.compressed) + sum(len(release.assets[path].compressed) for path in everything) < FIRST_LOAD


def test_the_sign_in_page_preloads_all_its_modules_and_no_other() -> None:
    release = console_release()
    first = release.page.content.decode().partition("<template")[0]
    named = {path for path in release.assets if f'="{path}"' in first and path.endswith("js")}
    base = f"/assets/{release.hash}/"
    imports = {name: base + path for name, path in IMPORTS.items()}
    needed, waiting = set[str](), [base + "app/main.js"]

    while waiting:
        path = waiting.pop()
        needed.add(path)
        for target in re.findall(r'\b(?:from|import) ?"([./@a-z-]+)"', release.assets[path].content.decode()):
            found = imports.get(target) or posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
            waiting += [found] if found not in needed else []

    assert named == needed


async def test_a_page_that_is_kept_is_not_sent_again(stack: Any) -> None:
    gateway = await stack.gateway()
    async with stack.client.get(f"{gateway}/") as first:
        known = first.headers["ETag"]

    async with stack.client.get(f"{gateway}/", headers={"If-None-Match": known}) as again:
        assert again.status == 304
        assert await again.read() == b""
    async with stack.client.head(f"{gateway}/") as head:
        assert (head.status, head.headers["ETag"], await head.read()) == (200, known, b"")


async def test_the_console_takes_no_other_path(stack: Any) -> None:
    gateway = await stack.gateway()

    for path in ("/api/v1/nothing", "/api", "/inbox", "/assets/", "/assets/0000/app/main.js", "/index.html"):
        async with stack.client.get(gateway + path) as answer:
            assert answer.status == 404
            assert answer.content_type == "application/problem+json"
    assert await stack.status("POST", f"{gateway}/") == 405


def test_gzip_is_sent_only_if_it_is_accepted() -> None:
    assert accepts_gzip("gzip, deflate, br")
    assert accepts_gzip("br;q=1, *")
    assert not accepts_gzip("gzip;q=0, *")
    assert not accepts_gzip("identity")
    assert not accepts_gzip("")
