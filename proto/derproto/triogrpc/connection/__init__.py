"""One HTTP/2 connection and its streams, the same at both ends.

From the ground up: ``http2`` (h2's state) and ``data_frames`` (its fast path); ``inbound``
(messages cut from bytes); ``protocol`` (grpclib's connection and stream on Trio); ``processor``
(from events to streams); ``link`` (the connection's task).
"""
