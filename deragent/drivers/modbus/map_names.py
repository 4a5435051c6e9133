"""The maps that ship, by name, and maps of one's own, by their files."""

from pathlib import Path

from deragent.devices import PATH
from derproto.configuration.kinds import FromText
from derproto.configuration.problems import nearest

SHIPPED = ("carlo_gavazzi_em24", "eastron_sdm630", "victron_multi")
"""Maps that come with the agent."""
FOLDER = Path(__file__).with_name("maps")
SUFFIXES = (".yaml", ".yml")

MapSource = str | Path
"""The name of a map that ships, or the file of another one."""


def _map_source(text: str) -> MapSource:
    if "/" in text or text.endswith(SUFFIXES):
        return PATH.convert(text)
    if text not in SHIPPED:
        advice = f"{nearest(text, SHIPPED)}, or write the path of a file, such as ./{text}.yaml"
        raise ValueError(f"there is no map {text[:60]!r}; {advice}")
    return text


MAP: FromText[MapSource] = FromText(_map_source, f"a path, or one of: {', '.join(SHIPPED)}")


def map_path(source: MapSource) -> Path:
    """The file of a map."""
    return source if isinstance(source, Path) else FOLDER / f"{source}.yaml"
