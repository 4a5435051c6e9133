"""Starts fleets of simulated agents, for bring-up."""
