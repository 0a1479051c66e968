"""CSV cut into records as it arrives, whatever the pieces."""

from __future__ import annotations

import pytest

from conversations.domain.contact_csv import LONGEST_RECORD, BrokenRecord, Records


def _cut(text: str, size: int) -> list[tuple[int, list[str] | str]]:
    records = Records()
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    found = [record for piece in pieces for record in records.feed(piece)] + list(records.end())
    return [(line, str(what) if isinstance(what, BrokenRecord) else what) for line, what in found]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_whatever_the_pieces_the_records_are_those_of_the_csv_module(size: int) -> None:
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
def test_quotes_that_never_end_cost_their_own_line_alone(size: int) -> None:
    assert _cut('a,"b\nc,d\ne,f\n', size) == [(1, "its quotes do not end"), (2, ["c", "d"]), (3, ["e", "f"])]
    assert _cut('"a"b,c\nd,e\n', size)[1:] == [(2, ["d", "e"])]


def test_quotes_that_go_on_for_too_long_are_given_up() -> None:
    filler = "x,y\n" * (LONGEST_RECORD // 4 + 1)

    found = _cut(f'a,"b\n{filler}c,d\n', 4096)

    assert found[0] == (1, "its quotes do not end")
    assert found[1:] == [(n, ["x", "y"]) for n in range(2, len(found))] + [(len(found), ["c", "d"])]
    assert len(found) == LONGEST_RECORD // 4 + 3


def test_a_line_without_end_is_dropped_and_the_next_is_read() -> None:
    text = "a,b\n" + "x" * (3 * LONGEST_RECORD) + "\nc,d\n"

    assert _cut(text, 4096) == [
        (1, ["a", "b"]),
        (2, f"is longer than {LONGEST_RECORD} characters"),
        (3, ["c", "d"]),
    ]
