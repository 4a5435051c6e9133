"""Driver ``sunspec``: devices behind links that they share."""

from deragent.devices import Asset, Device, DeviceConfigError, Driver, Runtime
from deragent.drivers.sunspec.sunspec_device import SunSpecDevice
from deragent.drivers.sunspec.sunspec_options import SunSpecOptions
from deragent.modbus_tcp import LinkAddress, LinkTls, SharedLinks

_LINKS = SharedLinks()


async def _open(asset: Asset, options: SunSpecOptions, runtime: Runtime) -> Device:
    files = LinkTls(options.tls_ca, options.tls_cert, options.tls_key)
    if not options.tls:
        if files != LinkTls():
            text = "tls: false, yet files of it are given; write tls: true, or remove them"
            raise DeviceConfigError(f"asset {asset.name}: device.{text}")
        link = _LINKS.link(LinkAddress(options.host))
        return SunSpecDevice(asset, options, link, _LINKS)
    try:
        context = await runtime.run_blocking(files.context)
    except OSError as wrong:
        raise DeviceConfigError(f"asset {asset.name}: device.tls: {wrong}") from wrong
    link = _LINKS.link(LinkAddress(options.host, files), context)
    return SunSpecDevice(asset, options, link, _LINKS)


SUNSPEC = Driver(
    summary="an inverter or a battery that speaks SunSpec over Modbus TCP",
    options=SunSpecOptions,
    open=_open,
)
