"""Run pgqueuer or procrastinate with N jobs due at given times, and measure how late each handler starts.

`bench_scheduler` runs it in a subprocess: `python -m bench.scheduler.foreign LIBRARY DATABASE_URL COUNT SPREAD`. It
prints the delays in seconds as JSON. Both are in `requirements/bench.in`; the product does not use them.
"""

# mypy: ignore-errors
import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

LEAD = 4.0  # seconds between planning and the first due time


async def pgqueuer(url: str, count: int, spread: float) -> list[float]:
    """Measure pgqueuer's worker, woken by its notifications and timers."""
    import asyncpg
    from pgqueuer import PgQueuer
    from pgqueuer.db import AsyncpgDriver
    from pgqueuer.models import Job
    from pgqueuer.queries import Queries

    conn = await asyncpg.connect(url)
    driver = AsyncpgDriver(conn)
    queries = Queries(driver)
    await queries.install()
    begin = datetime.now(UTC) + timedelta(seconds=LEAD)
    delays = [timedelta(seconds=LEAD + spread * n / count) for n in range(count)]
    due = [str((begin + timedelta(seconds=spread * n / count)).timestamp()).encode() for n in range(count)]
    await queries.enqueue(["bench"] * count, due, [0] * count, delays)
    worker = PgQueuer(driver)
    late: list[float] = []
    finished = asyncio.Event()

    @worker.entrypoint("bench")
    async def note(job: Job) -> None:
        late.append(datetime.now(UTC).timestamp() - float((job.payload or b"0").decode()))
        if len(late) == count:
            finished.set()

    running = asyncio.create_task(worker.run(batch_size=100, dequeue_timeout=timedelta(seconds=0.1)))
    await asyncio.wait_for(finished.wait(), 120)
    worker.shutdown.set()
    await asyncio.wait_for(running, 30)
    return late


async def procrastinate(url: str, count: int, spread: float) -> list[float]:
    """Measure one worker of procrastinate, which polls for due jobs."""
    from procrastinate import App, PsycopgConnector

    app = App(connector=PsycopgConnector(conninfo=url))
    late: list[float] = []
    finished = asyncio.Event()

    @app.task(name="bench")
    async def note(due: float) -> None:
        late.append(datetime.now(UTC).timestamp() - due)
        if len(late) == count:
            finished.set()

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        begin = datetime.now(UTC) + timedelta(seconds=LEAD)
        times = [begin + timedelta(seconds=spread * n / count) for n in range(count)]
        for at in times:
            await note.configure(schedule_at=at).defer_async(due=at.timestamp())
        polling: dict[str, Any] = {"fetch_job_polling_interval": 0.1}
        worker = asyncio.create_task(app.run_worker_async(concurrency=20, install_signal_handlers=False, **polling))
        await asyncio.wait_for(finished.wait(), 300)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
    return late


LIBRARIES = {"pgqueuer": pgqueuer, "procrastinate": procrastinate}

if __name__ == "__main__":
    library, database_url, jobs, over = sys.argv[1:]
    print(json.dumps(asyncio.run(LIBRARIES[library](database_url, int(jobs), float(over)))))
