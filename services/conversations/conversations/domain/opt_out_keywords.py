"""Opt-out keywords: STOP, START and their like, by which a contact refuses messages or accepts them again.

The words are those that carriers and providers honour (CTIA, Messaging Principles and Best Practices; FCC 24-24).
"""

import unicodedata

OPT_OUT = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "remove"})
OPT_IN = frozenset({"start", "unstop", "optin", "subscribe"})


def opt_out_keyword(body: str) -> bool | None:
    """True for an opt-out, False for an opt-in, None for any other message.

    A keyword must be the whole message. Case, spaces and punctuation don't matter: `Stop!`, `opt-out`, `STOP ALL`.
    """
    word = "".join(letter for letter in unicodedata.normalize("NFKC", body).casefold() if letter.isalnum())
    if word in OPT_OUT:
        return True
    return False if word in OPT_IN else None
