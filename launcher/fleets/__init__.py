"""Which assets a fleet has (``generated_fleet``), and which agent runs which (``agent_jobs``)."""
