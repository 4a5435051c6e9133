"""Certificates of both daemons: what they say, whether peers take them, and their exchange.

From the ground up: ``tls_files`` (which files), ``certificate_facts`` (what a certificate says),
``certificate_findings`` (whether peers take it now), ``certificate_reading`` (PEM), ``contexts``
(OpenSSL's rules), ``credentials`` (one end of TLS, loaded), ``certificate_settings`` (problems of
a configuration), ``tls_listener``, ``certificate_keeper`` (all ends of a daemon, reloaded
together).
"""
