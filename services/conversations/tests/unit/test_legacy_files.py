"""Parsing and writing of legacy files."""

import pytest

from conversations.legacy import files, messages

from ..legacy_samples import COMPACT, PRETTY


@pytest.mark.parametrize(
    "text", ["[]", " [ ] \n", PRETTY, COMPACT, "\ufeff[{}]", "[{},{}\n,{} ]\r\n", '[\n\t{"a":\n1}\n]']
)
def test_a_file_is_written_as_it_was_read(text: str) -> None:
    parsed = files.parse(text.encode())

    assert files.write([element.text for element in parsed.elements], parsed.layout).decode() == text


@pytest.mark.parametrize("text", ["", "  ", "{}", "[", "[{}", "[{},]", "[{}{}]", "[{}] x", "[{]"])
def test_a_file_that_is_not_an_array_of_messages_is_unreadable(text: str) -> None:
    with pytest.raises(files.UnreadableFile):
        files.parse(text.encode())


@pytest.mark.parametrize(
    "written", [1709283600, 1709283600000, "1709283600000", "2024-03-01T09:00:00Z", "2024-03-01T10:00:00+01:00"]
)
def test_every_legacy_form_of_a_time_is_parsed(written: object) -> None:
    assert messages.parse_time(written).isoformat() == "2024-03-01T09:00:00+00:00"
