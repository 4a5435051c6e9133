"""The benchmark's modules, by name: the type checker does not see them from here."""

from importlib import import_module
from typing import Any

dispatch: Any = import_module("dispatch")
orders: Any = import_module("orders")
measures: Any = import_module("measures")
table: Any = import_module("table")
contest: Any = import_module("contest")
credentials: Any = import_module("credentials")
errors: Any = import_module("errors")
event_readers: Any = import_module("event_readers")
fleets: Any = import_module("fleets")
generator: Any = import_module("generator")
link: Any = import_module("link")
machine: Any = import_module("machine")
processes: Any = import_module("processes")
rest: Any = import_module("rest")
servers: Any = import_module("servers")
workshop: Any = import_module("workshop")
