"""The sun above a site, and the clouds between: irradiance on level ground. Pure."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from deragent.drivers.simulation.models.model import DAY_S
from deragent.drivers.simulation.models.wandering import wander

HOUR_S = 3600.0


def day_angle(at_s: float) -> float:
    """The Earth's way since 1 January, radians, as Spencer's series take it."""
    moment = datetime.fromtimestamp(at_s, UTC)
    return math.tau * (moment.timetuple().tm_yday - 1 + at_s % DAY_S / DAY_S) / 365


def declination(angle: float) -> float:
    """The sun's declination at a day angle, radians.

    J. W. Spencer, "Fourier series representation of the position of the sun", Search 2 (5), 1971.
    """
    return (
        0.006918
        - 0.399912 * math.cos(angle)
        + 0.070257 * math.sin(angle)
        - 0.006758 * math.cos(2 * angle)
        + 0.000907 * math.sin(2 * angle)
        - 0.002697 * math.cos(3 * angle)
        + 0.00148 * math.sin(3 * angle)
    )


def equation_of_time_s(angle: float) -> float:
    """How far a sundial is ahead of mean solar time, seconds. Spencer, as above."""
    return (DAY_S / math.tau) * (
        0.0000075
        + 0.001868 * math.cos(angle)
        - 0.032077 * math.sin(angle)
        - 0.014615 * math.cos(2 * angle)
        - 0.040849 * math.sin(2 * angle)
    )


def clear_sky_w_m2(cos_zenith: float) -> float:
    """Irradiance of a clear sky, W/m2.

    B. Haurwitz, "Insolation in Relation to Cloudiness and Cloud Density", J. Meteorology 2, 1945,
    with the constants of M. Reno et al., SAND2012-2389, Sandia 2012.
    """
    return 1098.0 * cos_zenith * math.exp(-0.059 / cos_zenith) if cos_zenith > 0.0 else 0.0


def share_through_clouds(cover: float) -> float:
    """The share of a clear sky's irradiance under a cloud cover of 0..1.

    F. Kasten and G. Czeplak, "Solar and terrestrial radiation dependent on the amount and type of
    cloud", Solar Energy 24, 1980.
    """
    return 1.0 - 0.75 * math.pow(cover, 3.4)


@dataclass(frozen=True, slots=True)
class Sky:
    """The sky of one site. Its clouds follow from the seed and the time."""

    seed: str
    latitude: float
    """Degrees, positive = north."""
    noon_s: float
    """When the sun is highest, seconds since midnight UTC. Unused with a longitude."""
    longitude: float | None = None
    """Degrees, positive = east."""
    cloud_cover: float = 0.0
    """Mean share of the sky that is covered, 0..1. At 0 and 1 it never changes."""

    def irradiance_w_m2(self, at_s: float) -> float:
        """Global irradiance on level ground, W/m2."""
        clear_w_m2 = clear_sky_w_m2(self.cos_zenith(at_s))
        return clear_w_m2 and clear_w_m2 * share_through_clouds(self.cover(at_s))

    def cos_zenith(self, at_s: float) -> float:
        """Cosine of the angle between sun and zenith; below 0 at night."""
        angle = day_angle(at_s)
        noon_s = self.noon_s
        if self.longitude is not None:
            noon_s = (180 - self.longitude) / 360 * DAY_S - equation_of_time_s(angle)
        hour_angle = math.tau * (at_s - noon_s) / DAY_S
        north, tilt = math.radians(self.latitude), declination(angle)
        return math.sin(north) * math.sin(tilt) + math.cos(north) * math.cos(tilt) * math.cos(
            hour_angle
        )

    def cover(self, at_s: float) -> float:
        """The share of the sky that is covered, 0..1: weather of hours, and clouds of minutes."""
        weather = 0.25 * wander(f"{self.seed}/weather", at_s, 6 * HOUR_S)
        clouds = 0.15 * wander(f"{self.seed}/clouds", at_s, 300.0)
        room = 4 * self.cloud_cover * (1 - self.cloud_cover)
        return min(max(self.cloud_cover + room * (weather + clouds), 0.0), 1.0)
