"""The past of a headend: the journal's, and PostgreSQL's where the journal let go.

From the ground up: ``merging`` (rows of both stores as one page), ``combined`` (both asked).
"""
