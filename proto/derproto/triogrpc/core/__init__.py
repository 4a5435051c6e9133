"""What every part of a link uses: limits, errors, counters, deadlines, waits.

No module here imports another.
"""
