"""What the codec raises. Both are ValueErrors, so a link takes them for a peer's fault."""


class DecodeError(ValueError):
    """The bytes are not such a message. Names the message and, where known, the field."""


class EncodeError(ValueError):
    """A value does not fit its field. Names the message and the field."""


class UnsupportedField(TypeError):
    """A message class has a field of a kind that is not compiled. Raised when compiling."""
