"""Certificates of both daemons: their content, whether peers take them, and their replacement.

From the ground up: ``tls_files`` (the files of an end), ``certificate_facts`` (the content of a
certificate), ``certificate_findings`` (whether peers take it now), ``certificate_reading`` (PEM),
``contexts`` (OpenSSL's rules), ``credentials`` (one end of TLS, loaded), ``certificate_settings``
(problems of a configuration), ``tls_listener``, ``certificate_keeper`` (all ends of a daemon,
reloaded together).
"""
