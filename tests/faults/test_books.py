"""Each counter can fail."""

from __future__ import annotations

from collections import Counter

from .books import Book, table


def book() -> Book:
    kept = Book()
    for name in ("a", "b", "c"):
        kept.attempt(name)
    for name in ("a", "b"):
        kept.acknowledge(name)
    return kept


def test_all_that_was_acknowledged_is_there_once() -> None:
    balance = book().close(Counter("ab"))

    assert balance.is_good
    assert (balance.attempted, balance.acknowledged, balance.recovered) == (3, 2, 0)


def test_what_was_never_acknowledged_may_be_there_or_not() -> None:
    balance = book().close(Counter("abc"))

    assert balance.is_good
    assert balance.recovered == 1


def test_what_was_acknowledged_and_is_not_there_is_lost() -> None:
    balance = book().close(Counter("bc"))

    assert not balance.is_good
    assert balance.lost == ["a"]


def test_what_is_there_twice_is_doubled_acknowledged_or_not() -> None:
    balance = book().close(Counter("aabcc"))

    assert not balance.is_good
    assert balance.doubled == ["a", "c"]


def test_what_nobody_attempted_is_unexpected() -> None:
    balance = book().close(Counter("abx"))

    assert not balance.is_good
    assert balance.unexpected == ["x"]


def test_what_is_uncertain_is_told_and_is_no_fault() -> None:
    balance = book().close(Counter("ab"), uncertain=frozenset("a"))

    assert balance.is_good
    assert table({"messages": balance}).splitlines()[-1] == "| messages | 3 | 2 | 0 | 0 | 0 | 1 | 0 |"
