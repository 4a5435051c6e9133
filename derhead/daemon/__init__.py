"""The headend's composition root, and the process around it.

From the ground up: ``limits`` (from the configuration), ``exposure_reminder``, ``feeding`` (a
PostgreSQL beside the journal), ``fleet_keeper`` (``assets.yaml`` while it changes),
``token_auditing``, ``composition`` (the headend itself; runs under virtual time), ``process``
(signals, sockets, TLS).
"""

from derhead.daemon.process import main
