"""A drill as it runs: real processes and sockets, the faults that strike them, and observers.

From the ground up: ``process_seat`` (the process that runs now), ``fault_dealing`` (deals
faults and mends them), ``record_pipe`` (what devices write), ``rest_answers`` (asks the headend),
``telemetry_looks``, ``event_reader``, ``drill_operator``, ``last_answers`` (observers over REST),
``drill_files`` (the folder), ``headend_keeping`` (the drill's headend), ``drill`` (one drill),
``drill_report`` (its verdict for people), ``drill_run`` (the command).
"""
