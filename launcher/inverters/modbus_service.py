"""Modbus TCP for inverters: requests in, answers out, with pymodbus's messages."""

import trio
from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU, ReadHoldingRegistersRequest
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersResponse,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
)

from deragent.devices import DeviceError
from deragent.drivers.sunspec.point_values import UnfitValueError
from deragent.modbus_tcp.exchange import BrokenLinkError, Frame, FrameBuffer
from deragent.modbus_tcp.read_plan import MOST_AT_ONCE, Span
from launcher.inverters.served_inverter import ServedInverter

UNIT = 1
MOST_CONNECTIONS = 8
"""Connections to one inverter. When full, one more is closed at once."""
RECEIVED_BYTES = 4096
"""Bytes taken from a connection at once. Requests wait in the socket meanwhile."""

_FRAMER = FramerSocket(DecodePDU(True))


class ModbusService:
    """One inverter's side of its connections, each with a task of its own."""

    def __init__(self, inverter: ServedInverter) -> None:
        self._inverter = inverter
        self._connections = 0

    async def converse(self, stream: trio.abc.Stream) -> None:
        """Answers requests until the controller leaves, or sends what is no Modbus."""
        if self._connections == MOST_CONNECTIONS:
            await trio.aclose_forcefully(stream)
            return
        self._connections += 1
        heard = FrameBuffer()
        try:
            while data := await stream.receive_some(RECEIVED_BYTES):
                heard.feed(bytes(data))
                while frame := heard.take():
                    if frame.unit == UNIT:
                        await stream.send_all(await self._answer(frame))
        except (BrokenLinkError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self._connections -= 1
            await trio.aclose_forcefully(stream)

    async def _answer(self, frame: Frame) -> bytes:
        answer = await self._message(frame)
        answer.dev_id, answer.transaction_id = frame.unit, frame.transaction
        return _FRAMER.buildFrame(answer)

    async def _message(self, frame: Frame) -> ModbusPDU:
        request, function = _FRAMER.decoder.decode(frame.message), frame.message[0]
        try:
            if isinstance(request, ReadHoldingRegistersRequest):
                if not 1 <= request.count <= MOST_AT_ONCE:
                    return ExceptionResponse(function, ExcCodes.ILLEGAL_VALUE)
                data = await self._inverter.read(Span(request.address, request.count))
                if data is not None:
                    words = [
                        int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)
                    ]
                    return ReadHoldingRegistersResponse(registers=words)
            elif isinstance(request, WriteMultipleRegistersRequest):
                data = b"".join(word.to_bytes(2, "big") for word in request.registers)
                if data and await self._inverter.write(request.address, data):
                    count = len(request.registers)
                    return WriteMultipleRegistersResponse(address=request.address, count=count)
            else:
                return ExceptionResponse(function, ExcCodes.ILLEGAL_FUNCTION)
        except (DeviceError, UnfitValueError):
            return ExceptionResponse(function, ExcCodes.DEVICE_FAILURE)
        return ExceptionResponse(function, ExcCodes.ILLEGAL_ADDRESS)
