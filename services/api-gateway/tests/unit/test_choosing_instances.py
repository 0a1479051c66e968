"""Load balancing: the state of instances, pending requests, sticky keys."""

from api_gateway.upstreams.upstreams import Instance, Upstream

URLS = [f"http://127.0.0.1:{port}" for port in (1, 2, 3)]


async def _upstream() -> tuple[Upstream, list[Instance]]:
    upstream = Upstream("files", URLS)
    await upstream.resolve()
    return upstream, sorted(upstream.instances, key=lambda instance: instance.address.port)


async def test_the_instance_with_the_fewest_pending_requests_is_chosen() -> None:
    upstream, instances = await _upstream()
    for instance, pending in zip(instances, (2, 0, 1), strict=True):
        instance.pending = pending

    assert upstream.choose() is instances[1]
    assert upstream.choose([instances[1]]) is instances[2]
    assert upstream.choose(instances) is None


async def test_a_failing_instance_is_ejected_while_a_better_one_is_left() -> None:
    upstream, (first, second, third) = await _upstream()
    first.state, second.state, third.state = "down", "unready", "hanging"

    assert upstream.choose() is third
    assert upstream.choose([third]) is second
    assert upstream.choose([third, second]) is first


async def test_a_sticky_key_moves_only_when_its_instance_is_ejected() -> None:
    upstream, _ = await _upstream()
    keys = [b"%d" % n for n in range(50)]
    before = {key: upstream.choose(sticky_key=key) for key in keys}
    assert len(set(before.values())) == 3

    ejected = before[keys[0]]
    assert ejected is not None
    ejected.state = "down"

    for key, instance in before.items():
        chosen = upstream.choose(sticky_key=key)
        assert (chosen is instance) == (instance is not ejected)
