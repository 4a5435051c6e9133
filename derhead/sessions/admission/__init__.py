"""Admission of agents: Register, certificates, claims to assets, and the memory of agents.

All of it is pure. From the ground up: ``certificate`` and ``register``;
``agent_identity``; ``directory``; ``agent_memory``.
"""
