"""A message of telemetry from its columns, to compare the two."""

from typing import Any

from derproto.codec import TelemetryColumns
from derproto.codec.columns import FIELDS
from derproto.der.v1 import Telemetry


def message_of(columns: TelemetryColumns) -> Telemetry:
    """The message with a list for each column."""
    values: dict[str, Any] = {field.name: getattr(columns, field.name) for field in FIELDS}
    for field in FIELDS:
        if field.repeated:
            values[field.name] = list(values[field.name])
    message = Telemetry(**values)
    message._unknown_fields = columns._unknown_fields
    return message
