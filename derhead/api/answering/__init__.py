"""How a request is refused, and how an answer is made and finished.

Layers, from the ground up::

    problem_kinds  the kinds of problems
    trusted_hosts  the hosts and origins that a browser may name
    headend_parts  what several endpoints need of the headend
    callers        who sent the current request
    replies        answers in one piece, and problems
    strangers      refusing the web pages of strangers
    lookups        reading the query and the body; finding an asset, a site, an agent
    guarding       who may do what
    current_lists  lists of the present state
    paging         histories of any length
    finishing      ETags, compression and CORS for every answer
"""
