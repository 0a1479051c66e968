"""Opt-out keywords: STOP, START and their like, by which a contact refuses messages or accepts them again."""

OPT_OUT = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit"})
OPT_IN = frozenset({"start", "unstop"})


def opt_out_keyword(body: str) -> bool | None:
    """True for an opt-out, False for an opt-in, None for any other message. A keyword must be the whole message."""
    word = body.strip().strip(".!").lower()
    if word in OPT_OUT:
        return True
    return False if word in OPT_IN else None
