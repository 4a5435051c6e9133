"""A Modbus device of SunSpec's models, in memory, that a test controls."""
