"""The tasks that work at the site, and the board that they share with the uplink.

From the ground up: ``signals`` (wake tasks), ``device_notes`` (health, local control, nameplates),
``agent_board`` (what the tasks share), ``sampler`` (measures), ``controller`` (steers),
``timeline_writer`` and ``outbox_writer`` (save what must outlive the process), ``event_printer``
(event lines). No task waits for the network.
"""
