"""Which assets a fleet has, and which agent runs which.

``generated_fleet`` and ``drill_fleet`` make fleets; ``agent_jobs`` splits any fleet over agents.
"""
