"""One request, and the answer that belongs to it. Pure.

An answer must have the transaction id, the unit and the function of its request, and as much data
as was asked for. Nothing else is taken for it.
"""

from dataclasses import dataclass
from enum import StrEnum

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU, ReadHoldingRegistersRequest
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
)

from deragent.devices import DeviceError

HEADER = 7
"""Bytes of a frame before its message: transaction, protocol, length, unit."""
LONGEST_FRAME = 260
"""Bytes of a frame, by Modbus. A header that announces more is no Modbus."""
MOST_STRANGE = 8
"""Answers to other requests that are skipped before one's own. Beyond, the link is given up."""


class RegisterKind(StrEnum):
    """The two tables of registers that a device has, each with addresses of its own."""

    HOLDING = "holding"
    INPUT = "input"
    """Read only."""


class ModbusError(DeviceError):
    """The device did not answer, or not with what was asked for."""


class IllegalAddressError(ModbusError):
    """The device has none of the registers, or no such function."""


class TryAgainError(ModbusError):
    """The device is busy with another request."""


class NotReachedError(ModbusError):
    """There is no connection to the device or its gateway."""


class NewConnectionError(ModbusError):
    """The connection is another than the caller knows; its device may be another, too."""


class BrokenLinkError(ModbusError):
    """What came is no answer; nothing that comes later on this connection can be trusted."""


_FRAMER = FramerSocket(DecodePDU(False))

_MEANINGS: dict[int, tuple[type[ModbusError], str]] = {
    ExcCodes.ILLEGAL_FUNCTION: (IllegalAddressError, "has no such function"),
    ExcCodes.ILLEGAL_ADDRESS: (IllegalAddressError, "has no such registers"),
    ExcCodes.ILLEGAL_VALUE: (ModbusError, "refuses the value"),
    ExcCodes.DEVICE_FAILURE: (ModbusError, "has failed"),
    ExcCodes.ACKNOWLEDGE: (TryAgainError, "needs longer"),
    ExcCodes.DEVICE_BUSY: (TryAgainError, "is busy"),
    ExcCodes.GATEWAY_PATH_UNAVIABLE: (ModbusError, "is not known to its gateway"),
    ExcCodes.GATEWAY_NO_RESPONSE: (ModbusError, "does not answer its gateway"),
}

_ANSWERS = {
    RegisterKind.HOLDING: ReadHoldingRegistersResponse,
    RegisterKind.INPUT: ReadInputRegistersResponse,
}


@dataclass(frozen=True, slots=True)
class ReadRegisters:
    """Reads ``count`` registers, 1 to 125."""

    address: int
    count: int
    kind: RegisterKind = RegisterKind.HOLDING

    def message(self) -> ModbusPDU:
        if self.kind is RegisterKind.INPUT:
            return ReadInputRegistersRequest(address=self.address, count=self.count)
        return ReadHoldingRegistersRequest(address=self.address, count=self.count)

    def data_of(self, answer: ModbusPDU) -> bytes:
        """The registers. Raises: BrokenLinkError, if they are not as many."""
        if isinstance(answer, _ANSWERS[self.kind]):
            registers = answer.registers
            if len(registers) == self.count:
                return b"".join(register.to_bytes(2, "big") for register in registers)
            raise BrokenLinkError(f"answers {self} with {len(registers)} registers")
        raise BrokenLinkError(f"answers {self} with {type(answer).__name__}")

    def __str__(self) -> str:
        what = "registers" if self.kind is RegisterKind.HOLDING else "input registers"
        return f"a read of {self.count} {what} at {self.address}"


@dataclass(frozen=True, slots=True)
class WriteRegisters:
    """Writes holding registers, 1 to 123, in one request."""

    address: int
    data: bytes
    """Big-endian."""

    def message(self) -> ModbusPDU:
        words = [int.from_bytes(self.data[i : i + 2], "big") for i in range(0, len(self.data), 2)]
        return WriteMultipleRegistersRequest(address=self.address, registers=words)

    def data_of(self, answer: ModbusPDU) -> bytes:
        """Nothing. Raises: BrokenLinkError, if the device wrote other registers."""
        written = self.address, len(self.data) // 2
        if isinstance(answer, WriteMultipleRegistersResponse):
            if (answer.address, answer.count) == written:
                return b""
            raise BrokenLinkError(f"answers {self} with {answer.count} at {answer.address}")
        raise BrokenLinkError(f"answers {self} with {type(answer).__name__}")

    def __str__(self) -> str:
        return f"a write of {len(self.data) // 2} registers at {self.address}"


Question = ReadRegisters | WriteRegisters


def frame_of(question: Question, unit: int, transaction: int) -> bytes:
    """The request on the wire."""
    message = question.message()
    message.dev_id, message.transaction_id = unit, transaction
    return _FRAMER.buildFrame(message)


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole message from the device."""

    transaction: int
    unit: int
    message: bytes


@dataclass(slots=True)
class FrameBuffer:
    """The stream's bytes of which no whole frame was made yet."""

    _heard: bytes = b""

    def feed(self, data: bytes) -> None:
        """Takes bytes as they come."""
        self._heard += data

    def take(self) -> Frame | None:
        """The next frame, if it is whole. Raises: BrokenLinkError, if this is no Modbus."""
        heard = self._heard
        if len(heard) < HEADER:
            return None
        protocol, length = int.from_bytes(heard[2:4], "big"), int.from_bytes(heard[4:6], "big")
        if protocol or not 2 < length <= LONGEST_FRAME - HEADER + 1:
            raise BrokenLinkError(f"does not speak Modbus: {heard[:12]!r}")
        end = HEADER - 1 + length
        if len(heard) < end:
            return None
        self._heard = heard[end:]
        return Frame(int.from_bytes(heard[:2], "big"), heard[6], heard[HEADER:end])


def answer_of(question: Question, unit: int, frame: Frame) -> bytes:
    """The data of an answer, whose transaction is that of the question.

    Raises: ModbusError, if the device refuses; BrokenLinkError, if this is no answer to it.
    """
    if frame.unit != unit:
        raise BrokenLinkError(f"unit {frame.unit} answers in place of unit {unit}")
    answer = _FRAMER.decoder.decode(frame.message)
    if answer is None:
        raise BrokenLinkError(f"answers {question} with what is no message")
    if isinstance(answer, ExceptionResponse):
        code = answer.exception_code
        kind, words = _MEANINGS.get(code, (ModbusError, f"answers with exception {code}"))
        raise kind(f"unit {unit} {words} ({question})")
    return question.data_of(answer)
