"""SMS: how many segments a text takes (3GPP TS 23.038), and the most that providers take."""

from dataclasses import dataclass

MOST_CHARACTERS = 1600
"""Twilio's limit of a message (twilio.com/docs/errors/21617)."""

# The default alphabet, and its extension table, whose characters take two places.
GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_7_EXTENSION = frozenset("\f^{}\\[~]|€")
PLACES = {"GSM-7": (160, 153), "UCS-2": (70, 67)}
"""Places of a single segment, and of each of several."""


@dataclass(frozen=True)
class Segments:
    """How a text is carried: its encoding, and in how many segments."""

    encoding: str
    count: int


def segments_of(text: str) -> Segments:
    """The segments that a text takes."""
    if all(character in GSM_7 or character in GSM_7_EXTENSION for character in text):
        encoding, places = "GSM-7", len(text) + sum(character in GSM_7_EXTENSION for character in text)
    else:
        encoding, places = "UCS-2", len(text.encode("utf-16-le", "surrogatepass")) // 2
    alone, each = PLACES[encoding]
    return Segments(encoding, 1 if places <= alone else -(-places // each))


def fault_of(text: str) -> str | None:
    """Why a text can't be sent as SMS; None: it can."""
    if not text.strip():
        return "must not be blank"
    if len(text) <= MOST_CHARACTERS:
        return None
    segments = segments_of(text)
    return (
        f"has {len(text)} characters ({segments.count} segments in {segments.encoding}); an SMS has at most "
        f"{MOST_CHARACTERS}"
    )
