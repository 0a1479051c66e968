"""Sniffed and declared content types."""

import io
import zipfile

import pytest

from files.domain.content_types import matches_declared, served_content_type, sniff_content_type

MP4 = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(100)
OLE = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600)


def zipped(name: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), "x")
    return content.getvalue()


@pytest.mark.parametrize(
    ("declared", "content", "name"),
    [
        ("application/zip", zipped("a.txt"), ".zip"),
        ("application/x-zip-compressed", zipped("a.txt"), ".zip"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", zipped("x"), ".docx"),
        ("application/gzip", b"\x1f\x8b\x08" + bytes(100), ".gz"),
        ("application/x-gzip", b"\x1f\x8b\x08" + bytes(100), ".gz"),
        ("text/csv", b"a,b\n1,2\n", ".csv"),
        ("application/vnd.ms-excel", b"a,b\n1,2\n", ".csv"),
        ("text/plain; charset=utf-8", b"hello", ".txt"),
        ("text/x-log", b"hello", ".log"),
        ("application/json", b'{"a": 1}', ".json"),
        ("text/xml", b"<?xml version='1.0'?><a/>", ".xml"),
        ("application/rss+xml", b"<?xml version='1.0'?><a/>", ".xml"),
        ("video/quicktime", MP4, ".mov"),
        ("audio/x-m4a", MP4, ".m4a"),
        ("audio/wav", b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(100), ".wav"),
        ("image/jpg", b"\xff\xd8\xff\xe0" + bytes(100), ".jpg"),
        ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>", ".svg"),
        ("application/octet-stream", b"<html>", ".bin"),
        ("application/x-something", bytes(range(256)), ".xyz"),
    ],
)
def test_declared_type_matches_the_bytes(declared: str, content: bytes, name: str) -> None:
    assert matches_declared(declared, sniff_content_type(content, name))


@pytest.mark.parametrize(
    ("declared", "content"),
    [
        ("image/png", b"\xff\xd8\xff\xe0" + bytes(100)),
        ("image/png", b"<svg onload=alert(1)>"),
        ("text/plain", b"<html><script>alert(1)</script>"),
        ("text/csv", b"<svg onload=alert(1)>"),
        ("application/vnd.ms-excel", b"<html><table></table>"),
        ("image/png", bytes(range(256))),
        ("application/pdf", b"hello"),
        ("text/plain", bytes(range(256))),
        ("application/zip", b"MZ" + bytes(100)),
        ("video/mp4", OLE),
    ],
)
def test_declared_type_contradicts_the_bytes(declared: str, content: bytes) -> None:
    assert not matches_declared(declared, sniff_content_type(content, ""))


@pytest.mark.parametrize(
    "kind", ["text/html", "image/svg+xml", "application/xml", "application/javascript", "text/xml"]
)
def test_active_content_is_served_as_binary(kind: str) -> None:
    assert served_content_type(kind) == "application/octet-stream"
