"""Orders as callers give them: read, previewed, and taken once for each idempotency key.

From the ground up: ``order`` (the values) · ``parsing`` (from JSON), ``preflight`` (what an order
would do) and ``idempotency`` (keys as values) · ``asked`` (what a refused order asked for) and
``keys`` (the task that keeps keys for a day).
"""
