"""Simulated devices served as SunSpec inverters over Modbus TCP, for agents with the real driver.

From the ground up: ``inverter_registers`` (models and points as registers), ``served_inverter`` (a
device behind them, with its reversion timer), ``modbus_service`` (requests on the wire), and
``inverter_fleet`` (a port for each asset, and the fleet that agents get).
"""
