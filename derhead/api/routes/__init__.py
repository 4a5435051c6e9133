"""The endpoints, a module for each group of paths. Each says what it needs of the headend.

json_body, ordering              what POST /dispatch takes
event_query                      what a reader of /events asks for
timeline_merge                   an agent's histories as one
dispatch_, document_, event_, fleet_, health_, heartbeat_, telemetry_, timeline_routes
"""
