"""The parts that every room of the link uses: limits, errors, counters, deadlines, waits.

No module here imports another.
"""
