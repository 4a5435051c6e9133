"""The endpoints, a module for each group of paths. Each says what it needs of the headend.

Layers, from the ground up::

    ordering          POST /dispatch
    event_query       the query of /events
    timeline_merge    an agent's histories as one
    *_routes          the endpoints of each group
"""
