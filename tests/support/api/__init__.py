"""Tests of REST and ``/events``: a fake headend to serve, and the description to judge by."""
