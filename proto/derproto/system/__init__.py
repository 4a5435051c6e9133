"""The system around a daemon: stop signals, systemd, and files that change while it runs.

From the ground up: ``stopping``, ``abort_stack``, ``hangups`` (SIGHUP held from the first moment
on), ``systemd``, ``file_watch``, ``reloading`` (the files of a ``Reload`` when they change, all
files at SIGHUP).
"""
