"""What clients may take of the server, and who gives way: pure.

``http_limits`` (the limits), ``places`` (connections, in all and by address) and ``held_answers``
(bytes for slow clients) stand beside each other.
"""
