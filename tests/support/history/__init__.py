"""Tests of history: records to store, and stores to open."""
