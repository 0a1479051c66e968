"""Health probes, and ejection of failing instances from load balancing until they answer again."""

import asyncio
from time import monotonic

import structlog

from api_gateway.upstreams.exchanges import ConnectionLost, RequestNotSent
from api_gateway.upstreams.upstreams import Address, Instance, Upstream
from switchboard.runtime.background import Stop, run_loops

PROBE_EACH = 0.5  # seconds; services fail /readyz a second before they stop
QUIET_PROBE_EACH = 4.0  # while nobody uses the service; its next request begins with a probe
PROBE_SECONDS = 1.0
HANGS_AFTER = 2  # consecutive probes that timed out, while no request was answered either
RESOLVE_EACH = 5.0

log = structlog.get_logger(__name__)


class HealthProbes:
    """Probes `/readyz` of every instance of a service: twice a second while it is used or not well, else rarely.

    A request that failed, or that is the first for some time, causes a probe at once. The requests that wait at a
    hanging instance are cut off only if another instance is better: slowness of all must not become an error.
    """

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._timeouts: dict[Address, int] = {}

    async def run(self, stop: Stop) -> None:
        """Probe until `stop`."""
        loops = [self._keep_probing]
        if not self._upstream.has_fixed_addresses:
            loops.append(self._keep_resolving)
        await run_loops(loops, stop)
        for instance in self._upstream.instances:
            instance.close_idle()

    async def _keep_probing(self, stop: Stop) -> None:
        while not stop.is_set():
            if any(await asyncio.gather(*(self._probe(instance) for instance in self._upstream.instances))):
                self._leave_hanging_instances()
            if await self._upstream.probe_now.wait(stop, self._pause()):
                await stop.sleep(0.02)  # several failures at once cause one probe

    def _pause(self) -> float:
        well = all(instance.state == "ready" for instance in self._upstream.instances)
        return QUIET_PROBE_EACH if well and self._upstream.is_quiet() else PROBE_EACH

    async def _probe(self, instance: Instance) -> bool:
        """Probe an instance and set its state. Returns whether it answered in time that it is ready."""
        instance.close_idle()
        before, began, answered = instance.state, monotonic(), False
        try:
            status, _ = await instance.get(b"/readyz", PROBE_SECONDS)
            answered = status == 200
            instance.state = "ready" if status == 200 else "unready"
            self._timeouts[instance.address] = 0
        except TimeoutError:
            is_slow = instance.answered_at > began  # it works, behind other requests
            timeouts = 0 if is_slow else self._timeouts.get(instance.address, 0) + 1
            self._timeouts[instance.address] = timeouts
            if timeouts >= HANGS_AFTER:
                instance.state = "hanging"
            elif is_slow and instance.state == "hanging":
                instance.state = "ready"
        except (RequestNotSent, ConnectionLost):
            instance.state = "down"
        if instance.state != before:
            log.info("instance_" + instance.state, upstream=self._upstream.service, address=instance.address.label)
        return answered

    def _leave_hanging_instances(self) -> None:
        """Fail what waits at hanging instances, so that it may be retried at a better one."""
        for instance in self._upstream.instances:
            if instance.state == "hanging":
                instance.fail_pending(f"{instance.address.label} hangs")

    async def _keep_resolving(self, stop: Stop) -> None:
        """Look up host names again and again: DNS may name other instances."""
        while not await stop.sleep(RESOLVE_EACH):
            await self._upstream.resolve()
