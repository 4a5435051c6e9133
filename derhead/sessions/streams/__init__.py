"""One agent's stream: what it says, what it is told, and its nursery.

From the ground up: ``acks`` and ``allowances``; ``acknowledger``; ``collaborators``; ``outgoing``
and ``incoming``, the two halves; ``session``, the nursery around both.
"""
