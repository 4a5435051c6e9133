"""Admission of agents: Register, certificates, claims to assets, and the memory of agents.

All of it is pure. From the ground up: ``certificate``, ``register`` and ``register_turns``;
``agent_identity``; ``directory``; ``agent_memory``.
"""
