"""Starts fleets of simulated agents, for bring-up."""

__version__ = "0.1.0"
