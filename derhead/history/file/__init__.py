"""The journal's file: locked, checked, salvaged where it is damaged, and opened.

From the ground up: ``transaction``, ``facts`` (what the file knows of itself), ``activity`` (what
opening is busy with), ``lock`` (on the folder), ``damage`` (checks), ``room`` (on the disk),
``table_walks`` and ``salvage`` (what can be read of a damaged file), ``schema`` (migrations, and
the connections). Synchronous.
"""
