"""Who may come in: Register, certificates, claims to assets, and what is remembered of agents.

All of it is pure. From the ground up: ``certificate`` and ``register``; ``directory``;
``agent_memory``.
"""
