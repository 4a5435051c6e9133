"""Tests of history: records to store, and the stores to open."""
