"""The embedded journal: any task hands records in, one task commits them in groups.

From the ground up: ``journal_statistics``, ``waiting`` (records before their commit), ``committer``
(the commits), ``embedded`` (the journal), ``opening`` (from the lock to the last commit).
"""
