"""Each counter of a ledger detects its defect."""

from collections import Counter

from .ledger import Ledger, table


def ledger() -> Ledger:
    kept = Ledger()
    for name in ("a", "b", "c"):
        kept.attempt(name)
    for name in ("a", "b"):
        kept.acknowledge(name)
    return kept


def test_a_balance_is_good_if_each_acknowledged_write_is_found_once() -> None:
    balance = ledger().close(Counter("ab"))

    assert balance.is_good
    assert (balance.attempted, balance.acknowledged, balance.recovered) == (3, 2, 0)


def test_a_write_without_acknowledgement_counts_as_recovered() -> None:
    balance = ledger().close(Counter("abc"))

    assert balance.is_good
    assert balance.recovered == 1


def test_an_acknowledged_write_that_is_missing_is_lost() -> None:
    balance = ledger().close(Counter("bc"))

    assert not balance.is_good
    assert balance.lost == ["a"]


def test_a_write_found_twice_is_doubled_acknowledged_or_not() -> None:
    balance = ledger().close(Counter("aabcc"))

    assert not balance.is_good
    assert balance.doubled == ["a", "c"]


def test_a_message_without_an_attempt_is_unexpected() -> None:
    balance = ledger().close(Counter("abx"))

    assert not balance.is_good
    assert balance.unexpected == ["x"]


def test_uncertain_deliveries_are_reported_and_are_no_defect() -> None:
    balance = ledger().close(Counter("ab"), uncertain=frozenset("a"))

    assert balance.is_good
    assert table({"messages": balance}).splitlines()[-1] == "| messages | 3 | 2 | 0 | 0 | 0 | 1 | 0 |"
