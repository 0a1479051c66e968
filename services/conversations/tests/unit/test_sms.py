"""Segments of SMS."""

import pytest

from conversations.domain.sms import Segments, fault_of, segments_of


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("x" * 160, Segments("GSM-7", 1)),
        ("x" * 161, Segments("GSM-7", 2)),
        ("x" * 306, Segments("GSM-7", 2)),
        ("x" * 307, Segments("GSM-7", 3)),
        ("€" * 80, Segments("GSM-7", 1)),
        ("€" * 81, Segments("GSM-7", 2)),
        ("я" * 70, Segments("UCS-2", 1)),
        ("я" * 71, Segments("UCS-2", 2)),
        ("😀" * 35, Segments("UCS-2", 1)),
        ("😀" * 36, Segments("UCS-2", 2)),
    ],
)
def test_segments(text: str, segments: Segments) -> None:
    assert segments_of(text) == segments


def test_a_text_is_neither_blank_nor_too_long() -> None:
    assert fault_of("x" * 1600) is None
    assert fault_of("x" * 1700) == "has 1700 characters (12 segments in GSM-7); an SMS has at most 1600"
    assert fault_of(" \n") == "must not be blank"
