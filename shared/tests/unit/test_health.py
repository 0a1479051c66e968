import asyncio

from switchboard.runtime.health import Health
from switchboard.runtime.metrics import Metrics
from switchboard.testing.waiting import until


async def failing() -> None:
    raise RuntimeError("the queue has no consumer")


async def passing() -> None:
    return


async def test_passing_checks_report_ok() -> None:
    health = Health("demo-1")
    health.add("database", passing, ready=True)
    health.mark_ready()

    healthy, report = await health.report()

    assert healthy
    assert report["status"] == "ok"
    assert report["instance"] == "demo-1"
    assert report["checks"] == {"database": "ok"}
    assert report["timestamp"].endswith("Z")
    assert report["uptime"] >= 0


async def test_stalled_work_degrades_health_but_not_readiness() -> None:
    health = Health("demo-1")
    health.add("consumers", failing, ready=False)
    health.mark_ready()

    healthy, report = await health.report()
    ready, _ = await health.readiness()

    assert (healthy, report["status"]) == (False, "degraded")
    assert report["checks"] == {"consumers": "error: the queue has no consumer"}
    assert ready


async def test_a_failing_readiness_check_makes_the_instance_unready() -> None:
    health = Health("demo-1")
    health.add("database", failing, ready=True)
    health.mark_ready()

    ready, readiness = await health.readiness()

    assert not ready
    assert readiness["status"] == "unready"


async def test_an_instance_is_not_ready_while_starting_or_draining() -> None:
    health = Health("demo-1")
    health.add("database", passing, ready=True)

    assert not (await health.readiness())[0]
    health.mark_ready()
    assert (await health.readiness())[0]
    health.drain()
    assert not (await health.readiness())[0]


async def test_a_hanging_check_times_out() -> None:
    health = Health("demo-1", within=0.01)
    health.add("database", asyncio.Event().wait, ready=True)
    health.mark_ready()

    ready, readiness = await health.readiness()

    assert not ready
    assert "no answer within" in readiness["checks"]["database"]


async def test_an_instance_with_a_slow_check_stays_ready_for_a_while() -> None:
    slow = asyncio.Event()
    slow.set()
    health = Health("demo-1", within=0.02, fresh=0, slow=1)
    health.add("database", slow.wait, ready=True)
    health.mark_ready()
    await health.readiness()

    async def is_unready() -> bool:
        return not (await health.readiness())[0]

    slow.clear()

    assert (await health.readiness())[0]
    await until(is_unready)


async def test_concurrent_probes_share_one_check() -> None:
    ran = 0

    async def check() -> None:
        nonlocal ran
        ran += 1
        await asyncio.sleep(0.01)

    health = Health("demo-1")
    health.add("database", check, ready=True)
    health.mark_ready()

    await asyncio.gather(*(health.readiness() for _ in range(5)), *(health.report() for _ in range(5)))

    assert ran == 1


async def test_each_check_is_a_metric() -> None:
    health, metrics = Health("demo-1", fresh=0), Metrics()
    health.add("database", passing, ready=True)
    health.add("outbox", failing, ready=False)

    for _ in range(2):
        lines = (await metrics.exposition(health)).decode().splitlines()

        samples = [line for line in lines if line.startswith("health_check_ok{")]
        assert samples == ['health_check_ok{check="database"} 1.0', 'health_check_ok{check="outbox"} 0.0']
