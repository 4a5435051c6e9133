"""The codec's errors. DecodeError and EncodeError are ValueErrors."""


class DecodeError(ValueError):
    """The bytes are not such a message. The text names the message and, if known, the field."""


class EncodeError(ValueError):
    """A value does not fit its field. Its text names the message and the field."""


class UnsupportedField(TypeError):
    """A message class has a field of a kind that cannot be compiled. Raised when compiling."""
