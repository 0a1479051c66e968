"""Parsing of CSV in chunks of any size."""

import pytest

from conversations.domain.csv_records import (
    MAX_LINES_OF_RECORD,
    MAX_RECORD,
    MAX_UNENDED,
    BrokenRecord,
    CsvRecords,
    TooMuchWork,
)


def _cut(text: str, size: int) -> list[tuple[int, list[str] | str]]:
    records = CsvRecords()
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    found = [record for chunk in chunks for record in records.feed(chunk)] + list(records.end())
    return [(line, str(record) if isinstance(record, BrokenRecord) else record) for line, record in found]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_chunks_of_any_size_give_the_records_of_the_csv_module(size: int) -> None:
    text = 'a,b\n"1\n2 ""x""",c\n\n5" pipe,d\n7" hose,"e,f"\n"",g\nlast,h'

    assert [fields for _, fields in _cut(text, size)] == [
        ["a", "b"],
        ['1\n2 "x"', "c"],
        ['5" pipe', "d"],
        ['7" hose', "e,f"],
        ["", "g"],
        ["last", "h"],
    ]
    assert [line for line, _ in _cut(text, size)] == [1, 2, 5, 6, 7, 8]


@pytest.mark.parametrize("size", [1, 1000])
def test_an_unclosed_quote_rejects_its_own_line_alone(size: int) -> None:
    assert _cut('a,"b\nc,d\ne,f\n', size) == [(1, "its quotes do not end"), (2, ["c", "d"]), (3, ["e", "f"])]
    assert _cut('"a"b,c\nd,e\n', size)[1:] == [(2, ["d", "e"])]


@pytest.mark.parametrize("filler", ["x,y\n" * (MAX_LINES_OF_RECORD + 1), f"{'x' * 30},y\n" * (MAX_RECORD // 1000)])
def test_an_unclosed_quote_is_rejected_at_the_maximum_length(filler: str) -> None:
    found = _cut(f'a,"b\n{filler}c,d\n', 4096)

    assert found[0] == (1, "its quotes do not end")
    assert [line for line, _ in found] == list(range(1, filler.count("\n") + 3))
    assert found[-1][1] == ["c", "d"]


def test_quotes_that_never_end_take_bounded_work() -> None:
    with pytest.raises(TooMuchWork):
        _cut('x","""\n' * (MAX_UNENDED + MAX_LINES_OF_RECORD + 1), 4096)


def test_a_line_that_is_too_long_is_rejected_and_the_next_is_parsed() -> None:
    text = "a,b\n" + "x" * (3 * MAX_RECORD) + "\nc,d\n"

    assert _cut(text, 4096) == [
        (1, ["a", "b"]),
        (2, f"is longer than {MAX_RECORD} characters"),
        (3, ["c", "d"]),
    ]


@pytest.mark.parametrize(
    ("text", "records"),
    [
        ("phone;name\n1;a,b\n", [["phone", "name"], ["1", "a,b"]]),
        ("phone\tname\n1\ta\n", [["phone", "name"], ["1", "a"]]),
        ("sep=;\nphone;name\n1;a\n", [["phone", "name"], ["1", "a"]]),
        ("SEP=,\nphone,name\n1,a;b\n", [["phone", "name"], ["1", "a;b"]]),
        ('phone;"a,b,c,d"\n', [["phone", "a,b,c,d"]]),
        ("phone\n1\n", [["phone"], ["1"]]),
    ],
)
def test_the_first_line_tells_the_separator(text: str, records: list[list[str]]) -> None:
    parser = CsvRecords()

    found = [fields for _, fields in [*parser.feed(text), *parser.end()]]

    assert found == records
