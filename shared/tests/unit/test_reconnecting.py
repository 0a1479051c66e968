from switchboard.runtime.reconnecting import ReconnectGate


def test_a_failure_closes_the_gate_and_a_success_opens_it() -> None:
    gate = ReconnectGate(first=60, most=100)
    assert gate.last_failure() is None

    lost = ConnectionError("lost")
    gate.failed(lost)
    gate.failed(ConnectionError("lost at the same time"))

    assert gate.last_failure() is lost
    assert 30 <= gate.seconds_closed() <= 60

    gate.succeeded()
    assert gate.last_failure() is None


def test_pauses_grow_up_to_a_bound_and_vary() -> None:
    seen = set()
    for _ in range(20):
        gate = ReconnectGate(first=60, most=100)
        gate.failed(ConnectionError())
        gate._opens_at = float("-inf")
        gate.failed(ConnectionError())
        seen.add(round(gate.seconds_closed(), 3))

    assert len(seen) > 1
    assert min(seen) > 49
    assert max(seen) <= 100
