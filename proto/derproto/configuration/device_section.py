"""An asset's ``device`` section, as every reader of ``assets.yaml`` takes it.

Only the agent knows its drivers and their options, and checks them. A headend runs without the
packages of drivers, and an agent without those of other sites.
"""

import re
from types import MappingProxyType

from derproto.configuration.fleet import DeviceSpec
from derproto.configuration.kinds import FromText
from derproto.configuration.yamlfile import Section

_DRIVER = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def _driver(text: str) -> str:
    if not _DRIVER.fullmatch(text):
        raise ValueError(
            f"{text[:60]!r} is not a driver's name; write 1 to 64 of A-Z a-z 0-9 _ . -"
        )
    return text


def read_device(section: Section) -> DeviceSpec | None:
    """The driver of the section, and its options as they are written.

    None if no driver can be read; then that is noted.
    """
    advice = "write driver: simulated, or the driver of the device"
    driver = section.require("driver", FromText(_driver, "a driver's name"), advice)
    options = section.plain()
    options.pop("driver", None)
    if driver is None:
        return None
    return DeviceSpec(driver, MappingProxyType(options), section.place())
