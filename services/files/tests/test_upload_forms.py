"""The fields, names and structure of upload forms."""

import gzip
from typing import Any
from urllib.parse import unquote

import pytest

from switchboard.testing import becomes

from .client import ANNA, Answer, FilesClient, digest, trickle

NAMES = [
    ("../../etc/passwd", "passwd", "passwd"),
    ("C:\\files\\bill 1.pdf", "bill 1.pdf", "bill_1"),
    ("Überweisung.pdf", "Überweisung.pdf", "_berweisung"),
    ("invoice\u202egpj.exe", "invoicegpj.exe", "invoicegpj"),
    ("חשבונית.pdf", "חשבונית.pdf", "_______"),
    ("x" * 300 + ".txt", "x" * 300 + ".txt", "x" * 50),
    ("quote%22 and \\.txt", ".txt", "_txt"),
    (".env", ".env", "_env"),
    ("..", "file", "file"),
    ("...", "file", "file"),
    (". . .", "file", "file"),
    ("\u200b", "file", "file"),
    ("offer. .", "offer", "offer"),
    ("=?utf-8?B?UsOpc3Vtw6kucGRm?=", "Résumé.pdf", "R_sum_"),
    ("=?utf-8?Q?a=3F?=", "a?", "a_"),
]


async def test_file_names_are_made_safe_and_kept_for_downloads(client: FilesClient) -> None:
    for name, shown, key_base in NAMES:
        answer = await client.upload(b"hello", name)

        assert (answer.status, answer.body.get("name")) == (201, shown), (name, answer.body)
        folder, _, stored = answer.body["key"].rpartition("/")
        assert folder == f"documents/{ANNA.tenant_id}/lead/42"
        assert stored.rpartition("_")[0] == key_base
        found = await client.call(ANNA, "GET", f"/files/{answer.body['id']}")
        saved = (await client.download(found.body["download_url"]))[2]["Content-Disposition"]
        assert saved.startswith('attachment; filename="')
        assert saved.isascii()
        assert unquote(saved.partition("filename*=UTF-8''")[2]) == shown


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"entity_type": "../x"}, "a.txt", "entity_type"),
    ({"entity_type": "Lead"}, "a.txt", "entity_type"),
    ({"entity_type": "x" * 33}, "a.txt", "entity_type"),
    ({"entity_id": "a/b"}, "a.txt", "entity_id"),
    ({"entity_id": "4\n"}, "a.txt", "entity_id"),
    ({"entity_id": ""}, "a.txt", "entity_id"),
    ({"entity_id": "x" * 65}, "a.txt", "entity_id"),
    ({"more": "1"}, "a.txt", "more"),
    ({}, "a.sh-dash", "name"),
    ({}, "a." + "x" * 11, "name"),
    ({}, "x" * 600, "name"),
]


async def test_an_invalid_entity_or_name_is_refused_by_field(client: FilesClient) -> None:
    for fields, name, blamed in REFUSED:
        answer = await client.upload(b"hello", name, **fields)

        assert (answer.status, answer.body["code"]) == (422, "invalid"), (fields, name)
        assert [error["loc"] for error in answer.body["errors"]] == [["body", blamed]]
    assert await client.rows() == []


FILE = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n'
TYPE = '--b\r\nContent-Disposition: form-data; name="entity_type"\r\n\r\nlead\r\n'
ID = '--b\r\nContent-Disposition: form-data; name="entity_id"\r\n\r\n42\r\n'
FORM = "multipart/form-data; boundary=b"
BASE64 = "Content-Transfer-Encoding: base64"
END = "--b--\r\n"
BROKEN_FORMS = [
    ("", FORM, ["body"]),
    (TYPE + ID + FILE + END, "application/x-www-form-urlencoded", ["body"]),
    (TYPE + ID + FILE + END, "multipart/form-data", ["body"]),
    ("no form at all", FORM, ["body"]),
    (TYPE + ID + FILE, FORM, ["body"]),
    (TYPE + ID + END, FORM, ["body", "file"]),
    (TYPE + FILE + ID + END, FORM, ["body", "entity_id"]),
    (TYPE + TYPE + ID + FILE + END, FORM, ["body", "entity_type"]),
    (TYPE + ID + FILE + FILE + END, FORM, ["body", "file"]),
    (TYPE + ID.replace("42", "4" * 2000) + FILE + END, FORM, ["body", "entity_id"]),
    (TYPE + ID + FILE.replace('; filename="a.txt"', "") + END, FORM, ["body", "file"]),
    (TYPE + ID + FILE.replace("a.txt", "").replace("hello", "") + END, FORM, ["body", "file"]),
    (TYPE + ID + FILE.replace("\r\n\r\n", "\r\n" + BASE64 + "\r\n\r\n") + END, FORM, ["body", "file"]),
    (TYPE.replace("\r\n\r\n", "\r\n" + BASE64 + "\r\n\r\n") + ID + FILE + END, FORM, ["body", "entity_type"]),
    ("--b\r\nX: " + "x" * 100_000 + "\r\n\r\n" + END, FORM, ["body"]),
]


async def test_a_broken_form_is_refused_and_nothing_stays(client: FilesClient) -> None:
    for body, kind, blamed in BROKEN_FORMS:
        headers = {**client.headers(ANNA), "Content-Type": kind}
        async with client.http.post(f"{client.url}/api/v1/files", data=body.encode(), headers=headers) as answer:
            problem = await answer.json(content_type=None)
        assert (answer.status, problem["code"], problem["errors"][0]["loc"]) == (422, "invalid", blamed), body[:300]
    await becomes(client.rows, [])
    await becomes(client.objects, [])


async def test_a_file_name_with_nul_is_refused(client: FilesClient) -> None:
    answer = await client.stream(trickle(b"hello"), 5, "a\0.txt")

    assert (answer.status, answer.body["code"]) == (422, "invalid")
    assert await client.rows() == []


@pytest.mark.parametrize(
    ("disposition", "shown"),
    [
        ("filename=\"=?utf-8?B?UsOpc3Vtw6kucGRm?=\"; filename*=utf-8''R%C3%A9sum%C3%A9.pdf", "Résumé.pdf"),
        ("filename=\"x.pdf\"; filename*=UTF-8'en'%E5%A0%B1%E5%91%8A.pdf", "報告.pdf"),
        ("filename=x.pdf; filename*=iso-8859-1''%A3.pdf", "£.pdf"),
        ("filename*=utf-8''a.pdf", "a.pdf"),
        ("filename=\"x.pdf\"; filename*=utf-8''%FF.pdf", "x.pdf"),
    ],
)
async def test_an_extended_file_name_is_read(client: FilesClient, disposition: str, shown: str) -> None:
    answer = await post(client, TYPE + ID + FILE.replace('filename="a.txt"', disposition) + END)

    assert (answer.status, answer.body.get("name")) == (201, shown), answer.body


@pytest.mark.parametrize("size", [1000, 6 * 1024 * 1024])
@pytest.mark.parametrize("epilogue", ["", "\r\n", "an epilogue\r\n" * 300])
async def test_what_follows_the_end_of_a_form_changes_nothing(client: FilesClient, size: int, epilogue: str) -> None:
    content = "0123456789abcdef" * (size // 16)

    answer = await post(client, TYPE + ID + FILE.replace("hello", content) + END.strip() + epilogue)

    assert (answer.status, answer.body["size"]) == (201, len(content))
    assert answer.body["sha256"] == digest(content.encode())
    shown = await client.call(ANNA, "GET", f"/files/{answer.body['id']}")
    assert (await client.download(shown.body["download_url"]))[1] == content.encode()


@pytest.mark.parametrize("size", [1000, 6 * 1024 * 1024])
async def test_a_compressed_form_is_refused_at_any_size(client: FilesClient, size: int) -> None:
    body = gzip.compress((TYPE + ID + FILE.replace("hello", "x" * size) + END).encode())
    headers = {**client.headers(ANNA), "Content-Type": FORM, "Content-Encoding": "gzip"}

    async with client.http.post(f"{client.url}/api/v1/files", data=body, headers=headers) as answer:
        problem = await answer.json(content_type=None)

    assert (answer.status, problem["code"]) == (415, "unsupported_media_type")


async def post(client: FilesClient, body: str) -> Answer:
    headers = {**client.headers(ANNA), "Content-Type": FORM}
    async with client.http.post(f"{client.url}/api/v1/files", data=body.encode(), headers=headers) as answer:
        return Answer(answer.status, await answer.json(content_type=None), dict(answer.headers))
