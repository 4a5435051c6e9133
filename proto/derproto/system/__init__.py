"""What surrounds a daemon: signals that stop it, systemd, and files that change while it runs.

From the ground up: ``stopping``, ``hangups`` (SIGHUP held from the first moment on), ``systemd``,
``file_watch``, ``reloading`` (one file when it changes, all at SIGHUP).
"""
