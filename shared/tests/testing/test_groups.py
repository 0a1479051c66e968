"""Tests that use the stack of a run stay on one worker."""

import pytest


@pytest.mark.xdist_group("groups")
def test_xdist_sees_the_group_of_a_test(request: pytest.FixtureRequest) -> None:
    spread_by_group = request.config.getoption("loadgroup", False)

    assert request.node.nodeid.endswith("@groups") or not spread_by_group
