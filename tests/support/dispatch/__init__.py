"""Dispatches in every state, what the desk stands on, and the orders of an agent's asset."""
