"""True files under the types that clients declare for them, and files that are positively something else."""

import io
import zipfile

import pytest

from files.domain.content_types import matches_declared, sniff_content_type

OLE = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
RIFF = b"RIFF\x00\x00\x00\x00"
M4A = b"\x00\x00\x00\x18ftypM4A \x00\x00\x00\x00M4A isom" + bytes(100)
OPENXML = "application/vnd.openxmlformats-officedocument."


def zipped(name: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), "x")
    return content.getvalue()


@pytest.mark.parametrize(
    ("declared", "content", "extension"),
    [
        ("text/csv", b'id,note\r\n1,"<p>offer</p>"\r\n', ".csv"),
        ("text/csv", "Name;Straße\r\nMüller;Hauptstraße\r\n".encode("cp1252"), ".csv"),
        ("text/csv", "名前,住所\r\n".encode("shift-jis"), ".csv"),
        ("text/csv", "a,b\r\n1,2\r\n".encode("utf-16-le"), ".csv"),
        ("text/csv", b"a,b\r\n1,2\r\n" * 20 + b"\x1a", ".csv"),
        ("text/csv;charset=utf-8", b"a,b\n1,2\n", ".csv"),
        ("application/vnd.ms-word.document.macroEnabled.12", zipped("word/document.xml"), ".docm"),
        ("application/vnd.ms-excel.sheet.macroEnabled.12", zipped("xl/workbook.xml"), ".xlsm"),
        (OPENXML + "wordprocessingml.template", zipped("word/document.xml"), ".dotx"),
        (OPENXML + "wordprocessingml.document", OLE, ".docx"),
        ("application/vnd.google-earth.kmz", zipped("doc.kml"), ".kmz"),
        ("application/vnd.ms-visio.drawing.main+xml", zipped("visio/document.xml"), ".vsdx"),
        ("application/vnd.apple.pages", zipped("Index/Document.iwa"), ".pages"),
        ("application/x-iwork-pages-sffpages", zipped("Index/Document.iwa"), ".pages"),
        ("application/vnd.ms-outlook", OLE, ".msg"),
        ("application/msword", b"{\\rtf1 hello}", ".doc"),
        ("message/rfc822", b"Received: from x\r\nFrom: a@b.example\r\n\r\n<html>hi</html>", ".eml"),
        ("application/x-subrip", b"1\r\n00:00:01,000 --> 00:00:02,000\r\n<i>Hi</i>\r\n", ".srt"),
        ("application/x-x509-ca-cert", b"-----BEGIN CERTIFICATE-----\nMIIB\n", ".pem"),
        ("application/x-pem-file", b"-----BEGIN CERTIFICATE-----\nMIIB\n", ".pem"),
        ("application/yaml", b"a: 1\n", ".yaml"),
        ("application/geo+json", b'{"type": "Point"}', ".geojson"),
        ("application/pdf", b"\r\n%PDF-1.7\n", ".pdf"),
        ("audio/vnd.wave", RIFF + b"WAVEfmt " + bytes(50), ".wav"),
        ("video/x-msvideo", RIFF + b"AVI LIST" + bytes(50), ".avi"),
        ("audio/m4a", M4A, ".m4a"),
        ("audio/mpeg", b"\xff\xfb\x90\x00" + bytes(100), ".mp3"),
        ("audio/aac", b"\xff\xf1\x50\x80" + bytes(100), ".aac"),
        ("audio/webm;codecs=opus", b"\x1a\x45\xdf\xa3" + bytes(100), ".webm"),
        ("image/png", PNG + b"\x00\x00\x00\x08acTL" + bytes(50), ".png"),
        ("image/tiff", b"II*\x00" + bytes(100), ".tif"),
        ("image/x-canon-cr2", b"II*\x00\x10\x00\x00\x00CR" + bytes(100), ".cr2"),
        ("image/x-icon", b"\x00\x00\x01\x00" + bytes(60), ".ico"),
        ("image/jxl", b"\xff\x0a" + bytes(60), ".jxl"),
        ("font/woff2", b"wOF2" + bytes(60), ".woff2"),
        ("text/markdown", b'<div align="center">\n\n# Title\n', ".md"),
        ("text/plain", b"MZ is a country code\n", ".txt"),
        ("image/svg+xml", b"<?xml version='1.0'?><!-- made --><svg xmlns='x'/>", ".svg"),
        ("application/xml", b"<?xml version='1.0'?><svg xmlns='x'/>", ".xml"),
        ("application/octet-stream", PNG, ""),
    ],
)
def test_a_true_file_is_accepted(declared: str, content: bytes, extension: str) -> None:
    assert matches_declared(declared, sniff_content_type(content, extension))


@pytest.mark.parametrize(
    ("declared", "content"),
    [
        ("image/png", b"\xff\xd8\xff\xe0" + bytes(100)),
        ("image/jpeg", PNG),
        ("image/png", b"RIFF\x10\x00\x00\x00WEBPVP8 "),
        ("application/pdf", b"MZ\x90\x00" + bytes(100)),
        ("application/pdf", zipped("a.txt")),
        ("image/jxl", b"\x7fELF" + bytes(100)),
        ("text/plain", b"<!DOCTYPE html><html>"),
        ("text/csv", b"  <html><body>"),
        ("text/plain", b"\x7fELF" + bytes(100)),
        ("text/plain", PNG),
        ("text/csv", zipped("xl/workbook.xml")),
        ("image/svg+xml", b"<html><body>"),
        ("video/mp4", zipped("a.txt")),
        (OPENXML + "spreadsheetml.sheet", b"%PDF-1.7"),
        (OPENXML + "spreadsheetml.sheet", b"a,b\n1,2\n"),
    ],
)
def test_a_file_that_is_something_else_is_refused(declared: str, content: bytes) -> None:
    assert not matches_declared(declared, sniff_content_type(content, ""))


@pytest.mark.parametrize(
    ("content", "extension", "recorded"),
    [
        (OLE, ".docx", "application/x-ole-storage"),
        (OLE, ".doc", "application/msword"),
        (b'id,note\r\n1,"<p>offer</p>"\r\n', ".csv", "text/csv"),
        (b"Hello <b>you</b>, see <script>x</script>", ".txt", "text/plain"),
        (b"Hello <svg onload=alert(1)>", "", "text/plain"),
        ("Müller;5\r\n".encode("cp1252"), ".csv", "text/csv"),
        (zipped("word/document.xml"), "", OPENXML + "wordprocessingml.document"),
        (zipped("a.txt"), ".zip", "application/zip"),
        (PNG + b"\x00\x00\x00\x08acTL", ".png", "image/png"),
        (bytes(range(256)), ".xyz", "application/octet-stream"),
        (b"", ".txt", "text/plain"),
    ],
)
def test_the_recorded_type_is_the_familys_cautious_one(content: bytes, extension: str, recorded: str) -> None:
    assert sniff_content_type(content, extension) == recorded
