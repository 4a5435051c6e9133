"""What headend, agent and launcher all stand on: time, blocking work, files of configuration."""
