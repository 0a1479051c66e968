"""What people write: keywords, phones, tags, and text that a spreadsheet would compute."""

import pytest

from conversations.domain.contacts import distinct_tags, row_of
from conversations.domain.opt_out_keywords import opt_out_keyword
from conversations.domain.spreadsheet_text import as_text, from_text
from switchboard.runtime.phones import NotAPhone, to_e164


@pytest.mark.parametrize(
    "body",
    [
        "STOP",
        "Stop!",
        "stop all",
        "STOPALL",
        "REVOKE",
        "OPTOUT",
        "opt out",
        "Opt-Out.",
        "UNSUBSCRIBE.",
        " quit\n",
        "ＳＴＯＰ",
    ],
)
def test_words_that_opt_out(body: str) -> None:
    assert opt_out_keyword(body) is True


@pytest.mark.parametrize("body", ["START", "unstop", "Opt in"])
def test_words_that_opt_in(body: str) -> None:
    assert opt_out_keyword(body) is False


@pytest.mark.parametrize("body", ["", "!!!", "please stop calling", "stop by at noon", "the end", "yes"])
def test_other_messages_are_no_keywords(body: str) -> None:
    assert opt_out_keyword(body) is None


@pytest.mark.parametrize(
    "spelling", ["0044 20 7946 0000", "004420 79460000", "+44 20 7946 0000", "(00) 44 20 7946 0000"]
)
@pytest.mark.parametrize("region", ["US", "DE", None])
def test_a_number_dialled_from_abroad_is_understood(spelling: str, region: str | None) -> None:
    assert to_e164(spelling, region) == "+442079460000"


@pytest.mark.parametrize("spelling", ["00", "000", "0000000000000000000000", "00 not a number"])
def test_zeros_alone_are_no_number(spelling: str) -> None:
    with pytest.raises(NotAPhone):
        to_e164(spelling, "US")


def test_tags_that_differ_in_case_alone_are_one() -> None:
    assert distinct_tags(["VIP", "vip ", " Vip", "VIP", "other  one", ""]) == ("VIP", "other one")


@pytest.mark.parametrize(
    "value", ["=HYPERLINK(1)", "+1+1", "-2", "@x", "\ttab", "'=1", "''=1", "＝1", "Anna", "'quoted'", "", "O'Neil"]
)
def test_text_is_no_formula_and_is_read_back_equal(value: str) -> None:
    cell = as_text(value)

    assert not cell.startswith(("=", "+", "-", "@", "\t", "＝"))
    assert from_text(cell) == value


def test_an_exported_line_is_imported_equal() -> None:
    fields = {"phone": "+14155550100", "name": as_text("=1+1"), "tags": as_text("@a;b")}

    row = row_of(fields, "US", set())

    assert (row.name, row.tags) == ("=1+1", ("@a", "b"))
