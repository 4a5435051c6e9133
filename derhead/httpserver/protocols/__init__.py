"""Hypercorn's HTTP/1.1 and HTTP/2, with the bounds and refusals that they lack.

Layers, from the ground up::

    request_head         what the header of a request may be: pure
    frame_meter          what a client's HTTP/2 frames cost: pure
    request_ids          a name for every request
    h11_parser           requests in HTTP/1.1, in linear time
    hypercorn_config     Hypercorn's settings
    hypercorn_http1      HTTP/1.1
    hypercorn_http2      HTTP/2
    hypercorn_protocols  both on one connection
"""
