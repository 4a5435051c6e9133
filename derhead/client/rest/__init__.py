"""A running headend over its REST API, as a client sees it: no flags, no terminal.

From the ground up: ``headend_url``, ``own_token`` (the token to send), ``headend_client`` (HTTP),
``following`` (events over breaks).
"""
