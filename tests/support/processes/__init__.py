"""Real processes: the project's commands, PostgreSQL, Chromium, and what harms them."""
