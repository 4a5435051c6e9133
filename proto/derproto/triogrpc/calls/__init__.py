"""One call at either end: its request, its messages and its status.

From the ground up: ``message`` and ``request``; ``server_stream`` and ``client_stream``, which
handlers and callers use; ``handlers``, the border around each handler.
"""
