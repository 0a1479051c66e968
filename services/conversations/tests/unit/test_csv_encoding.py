"""Encodings of CSV files."""

import pytest

from conversations.domain.csv_encoding import TextDecoder, decode_escaped


def decoded(content: bytes, size: int) -> str:
    decoder = TextDecoder()
    chunks = [content[at : at + size] for at in range(0, len(content), size)]
    return "".join([*(decoder.decode(chunk) for chunk in chunks), decoder.decode(b"", final=True)])


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_is_decoded_by_its_own_encoding(encoding: str, size: int) -> None:
    assert decoded("phone,name\r\n1,Zoë 中\r\n".encode(encoding), size) == "phone,name\n1,Zoë 中\n"


@pytest.mark.parametrize("size", [1, 1000])
def test_one_odd_byte_leaves_the_other_lines_as_they_are(size: int) -> None:
    content = "1,Zoë\n".encode() + "2,Zoë €\n".encode("cp1252") + "3,中\n".encode()

    assert [decode_escaped(line) for line in decoded(content, size).splitlines()] == ["1,Zoë", "2,Zoë €", "3,中"]


def test_bytes_of_no_known_encoding_are_an_error() -> None:
    with pytest.raises(UnicodeDecodeError):
        decode_escaped(decoded(b"1,\x81\n", 1000))


def test_an_empty_file_is_empty() -> None:
    assert decoded(b"", 1) == ""
