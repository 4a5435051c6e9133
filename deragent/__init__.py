"""The agent: one outbound-only process a site, between its devices and the headend.

From the ground up: ``event_lines`` (events for the program that started the agent), ``devices``
(the port), ``modbus_tcp``, ``drivers``, ``driver_list`` and ``probe`` (for people), ``timelines``
(what each asset is to do), ``outbox`` (samples on their way), ``config``, ``tasks`` (the work at
the site), ``uplink`` (the link), ``agent_figures`` (for Prometheus), ``daemon`` (puts them
together), ``cli``.
"""
