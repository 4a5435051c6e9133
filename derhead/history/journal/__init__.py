"""The embedded journal: records come in from any task, one task commits them in groups.

From the ground up: ``journal_statistics``, ``waiting`` (what waits for the next commit),
``committer`` (group commits), ``embedded`` (the journal), ``opening`` (its life, from the lock to
the last commit).
"""
