"""What tests of more than one kind build on: waiting, records, fleets, fakes, processes.

A kind is a folder of ``tests``: unit, property, stream, contract, e2e, browser, soak, torture.
A kind imports from here and from itself, never from another kind; scripts import from here too.
Who builds on whom, each layer on those below it::

    kinds of tests, scripts
          |
    processes                       the project's commands, PostgreSQL, Chromium, links, disks
    virtual                         the real headend and agents in one process, in virtual time
          |
    api          history            a fake headend for REST and its description; records to store
    dispatch                        dispatches in every state, the desk's fakes, timelines
    watched_asset counted_asset     the gap ledger of one asset; its service levels
    fleets                          assets files for the commands
          |
    assets                          assets and fleets in memory
    agents       columns            what an agent counts; a message's columns
    certificates access             an authority, and what it signs; tokens of each role
    epoch   audit_notes waiting     times; the audit trail in memory; patience with processes
    deterministic   interference    Trio with a seed; harm at any step of a story
    steps   repository              what work costs; the project's own modules
"""
