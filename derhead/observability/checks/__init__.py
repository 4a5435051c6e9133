"""Whether the headend can do its work: checks, for people, load balancers and gRPC's probes.

From the ground up: ``readiness`` (checks, and the state of the whole) · ``process_checks`` (checks
of the loop, the disk and the clock) and ``health_service`` (gRPC's rpcs for health).
"""
