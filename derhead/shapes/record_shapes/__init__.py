"""What the headend keeps, as JSON: a module for each kind of record.

From the ground up: ``values`` (times, numbers and names as JSON writes them), ``fleet_json``
(assets and sites), ``agent_json`` (agents, sessions, heartbeats), ``telemetry_json`` (samples,
buckets, gaps), ``level_json`` (service levels), ``dispatch_json`` (orders, and dispatches to an
asset), ``group_json`` (dispatches to a site), ``audit_json`` (who did what).
"""
