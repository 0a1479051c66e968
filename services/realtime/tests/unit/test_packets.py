"""Strict parsing of client packets."""

from typing import Any

import pytest

from realtime.transport.packets import MalformedPacket, check_frame, read_packet


@pytest.mark.parametrize("frame", [None, b"40", "", "7", "²", "2" + "x" * 20])
def test_a_frame_that_is_no_engine_io_packet_is_refused(frame: Any) -> None:
    with pytest.raises(MalformedPacket):
        check_frame(frame)


def test_packets_of_official_clients_are_parsed() -> None:
    connect, event = read_packet('0{"token":"t"}'), read_packet('27["typing",{"typing":true}]')

    assert (connect.packet_type, connect.namespace, connect.data) == (0, None, {"token": "t"})
    assert (event.packet_type, event.id, event.data) == (2, 7, ["typing", {"typing": True}])
