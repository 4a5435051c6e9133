"""The claim on PostgreSQL: one headend a database, and who it is.

The headend that feeds a database holds an advisory lock in the feed's session, and a row of
``claims`` names it. Layers, from the ground up::

    claim_rules   who may take, keep or lose a claim: pure
    claimant      who this headend is, and whether another one's process is gone
    claim_table   the lock and the rows in PostgreSQL
    claim_gate    lets the feed's connection in, or not
    claim_keeper  takes the claim at the start, keeps it, gives it back
"""
