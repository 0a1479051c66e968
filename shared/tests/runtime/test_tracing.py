from typing import Any

from switchboard.http import PlainRoute, Request, reply
from switchboard.runtime.tracing import current_trace_id

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


async def test_a_request_continues_its_trace_and_the_next_one_does_not(start: Any) -> None:
    async def trace(_call: Request) -> Any:
        return reply({"trace": current_trace_id()})

    client = await start([PlainRoute("GET", "/trace", trace, public=True)])

    with_header = await (await client.get("/trace", headers={"traceparent": PARENT})).json()
    without = await (await client.get("/trace")).json()
    assert with_header == {"trace": TRACE}
    assert without["trace"] not in (None, TRACE)
