"""One agent's stream: its receiving half, its sending half, and the nursery around both.

From the ground up: ``acks``, ``allowances`` and ``queue_depths``; ``acknowledger`` and
``session_meter``; ``collaborators``; ``outgoing`` and ``incoming``, the two halves;
``session``, the nursery.
"""
