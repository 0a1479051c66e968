"""The report of an import: each line once, with its outcome, and sums that agree."""

from typing import Any
from uuid import uuid4

from switchboard.testing.app import identity_headers

from .client import ANNA, BEN, STRANGER, ConversationsClient
from .test_import_limits import upload

COUNTED = ("created", "updated", "unchanged", "rejected")


async def lines_of(client: ConversationsClient, import_id: str, **query: str) -> list[dict[str, Any]]:
    """All lines of a report, over its pages."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        more = "&".join(f"{name}={value}" for name, value in {**query, "cursor": cursor}.items() if value)
        page = await client.call(BEN, "GET", f"/contacts/imports/{import_id}/lines?limit=200&{more}")
        assert page.status == 200, page.body
        found += page.body["items"]
        cursor = page.body["next_cursor"]
        if cursor is None:
            return found


async def test_each_line_has_one_outcome(client: ConversationsClient) -> None:
    await upload(client, b"phone,name\n+14155550100,Old\n+14155550101,Same\n")

    status, answer = await upload(
        client,
        b"phone,name\n+14155550100,New\n+14155550101,Same\n+14155550102,Ann\nnonsense,x\n415-555-0102,Ben\n"
        b"+14155550103 x101,Ext\n",
    )

    assert status == 200
    assert (answer["created"], answer["updated"], answer["unchanged"], len(answer["rejected"])) == (1, 1, 1, 3)
    report = (await client.call(BEN, "GET", f"/contacts/imports/{answer['id']}")).body
    assert [report[name] for name in COUNTED] == [1, 1, 1, 3]
    assert (report["finished_at"] is not None, report["failure"]) == (True, None)
    lines = await lines_of(client, answer["id"])
    assert [(line["line"], line["outcome"], line["phone"]) for line in lines] == [
        (2, "updated", "+14155550100"),
        (3, "unchanged", "+14155550101"),
        (4, "created", "+14155550102"),
        (5, "rejected", None),
        (6, "rejected", None),
        (7, "rejected", None),
    ]
    rejected = await lines_of(client, answer["id"], outcome="rejected")
    assert [line["reason"] for line in rejected][1] == "the number of line 4 again"
    assert "extension" in rejected[2]["reason"]


async def test_the_sums_of_a_long_file_agree(client: ConversationsClient) -> None:
    numbers = [4155550000 + n % 2300 for n in range(4000)]  # the last 1,700 come again, in another batch
    body = b"phone,name\n" + b"".join(b"+1%d,N%d\n" % (number, n) for n, number in enumerate(numbers))

    _, answer = await upload(client, body.replace(b"+14155550007,N7\n", b"+14155550007,\x81\n"))

    report = (await client.call(BEN, "GET", f"/contacts/imports/{answer['id']}")).body
    assert sum(report[name] for name in COUNTED) == 4000
    assert (report["created"], report["rejected"]) == (2300, 1700)
    assert len(await lines_of(client, answer["id"])) == 4000
    again = (await lines_of(client, answer["id"], outcome="rejected"))[-1]
    assert (again["line"], again["reason"]) == (4001, "the number of line 1701 again")


async def test_an_import_that_breaks_off_is_accounted_for(client: ConversationsClient) -> None:
    lines = b"".join(b"+1415555%04d\n" % n for n in range(1500))
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nphone\n' + lines

    status, problem = await upload(client, form, "multipart/form-data; boundary=b")

    import_id = problem["detail"].partition("(import ")[2].partition(")")[0]
    report = (await client.call(BEN, "GET", f"/contacts/imports/{import_id}")).body
    assert status == 400
    assert (report["created"], report["finished_at"] is not None) == (1000, True)
    assert report["failure"]
    assert await client.fetch("select count(*) as n from contacts") == [{"n": 1000}]


async def test_a_report_is_for_admins_of_its_tenant(client: ConversationsClient) -> None:
    _, answer = await upload(client, b"phone\n+14155550100\n")
    path = f"/contacts/imports/{answer['id']}"

    for suffix in ("", "/lines"):
        assert (await client.call(BEN, "GET", path + suffix)).status == 200
        assert (await client.call(ANNA, "GET", path + suffix)).status == 403
        assert (await client.call(STRANGER, "GET", path + suffix)).status == 404
    assert (await client.call(BEN, "GET", f"/contacts/imports/{uuid4()}")).status == 404


async def test_a_file_of_another_program_is_previewed_and_imported(client: ConversationsClient) -> None:
    body = b"First Name,E-mail 1 - Value,Phone 1 - Label,Phone 1 - Value\nAnn,a@example.com,Mobile,415-555-0100\n"
    headers = {**identity_headers(BEN, "conversations"), "Content-Type": "text/csv"}

    async with client.http.post("/api/v1/contacts/import/preview", data=body, headers=headers) as answer:
        preview = await answer.json()
    assert [(each["column"], each["field"]) for each in preview["columns"]] == [
        ("First Name", "first_name"),
        ("E-mail 1 - Value", None),
        ("Phone 1 - Label", None),
        ("Phone 1 - Value", "phone"),
    ]
    assert preview["lines"] == [{"name": "Ann", "phone": "415-555-0100"}]
    assert await client.fetch("select from contacts") == []

    await upload(client, body)

    assert await client.fetch("select phone, name from contacts") == [{"phone": "+14155550100", "name": "Ann"}]


async def test_columns_are_given_as_json(client: ConversationsClient) -> None:
    headers = {**identity_headers(BEN, "conversations"), "Content-Type": "text/csv"}

    async def put(**query: str) -> Any:
        url = client.http.make_url("/api/v1/contacts/import").with_query(query)
        async with client.http.session.post(url, data=b"Nummer,x\n+14155550100,1\n", headers=headers) as answer:
            return answer.status, await answer.json()

    assert (await put(columns="nonsense"))[1]["errors"][0]["loc"] == ["query", "columns"]
    assert (await put(columns='{"Nummer": "phone"}'))[1]["created"] == 1


async def test_a_template_can_be_imported(client: ConversationsClient) -> None:
    headers = identity_headers(BEN, "conversations")
    async with client.http.get("/api/v1/contacts/import/template", headers=headers) as answer:
        template = await answer.read()

    assert (await upload(client, template))[1]["created"] == 1
