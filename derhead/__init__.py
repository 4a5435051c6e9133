"""The headend: one Trio loop that sees and steers a fleet of distributed energy resources."""
