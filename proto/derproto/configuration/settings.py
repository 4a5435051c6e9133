"""A daemon's settings: flags over environment over ``--config`` file over defaults.

A key ``agent.id`` is the flag ``--agent-id``, the variable ``DERAGENT_AGENT_ID`` and
``agent: {id: …}`` in the file; one ``Kind`` reads all three. A problem is noted under the name of
the value's source; all problems are raised together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_origin, get_type_hints

from derproto.configuration.assets_file import load_fleet
from derproto.configuration.fleet import Fleet
from derproto.configuration.kinds import PATH, Kind
from derproto.configuration.problems import ConfigError, Problem
from derproto.configuration.yamlfile import Section, load_yaml

T = TypeVar("T")

NO_PATH = Path()
"""The placeholder of a required path that is missing; compared by identity."""


def settings_note(prefix: str, key: str) -> str:
    """How else a command takes its settings, for its help; ``key`` is an example."""
    variable = f"{prefix}_{key.upper()}"
    return (
        f"Each flag with a value is also a variable, such as {variable} for --{key}, and most are\n"
        "keys of the file --config. A flag wins over a variable, and a variable over the file."
    )


class Rank(IntEnum):
    """The source of a value; the greatest counts."""

    DEFAULT = 0
    FILE = 1
    ENVIRONMENT = 2
    FLAG = 3


@dataclass(frozen=True, slots=True)
class _Source:
    rank: Rank
    name: str
    section: Section | None = None


class Settings:
    """Reads one setting after another; ``finish`` raises their problems.

    ``flags`` holds text, a list of texts (a repeated flag), True (a flag without a value) or None
    by name, as from argparse. A variable that is set but empty counts as absent.
    """

    def __init__(
        self, prefix: str, flags: Mapping[str, object], environ: Mapping[str, str]
    ) -> None:
        self._prefix = prefix
        self._flags = flags
        self._environ = environ
        self._keys: list[str] = []
        self.problems: list[Problem] = []
        self._file: Section | None = None
        self._folder = Path()
        self._sections: dict[str, Section | None] = {}
        config = self._outside("config", PATH)
        if config is not None:
            self._folder = config.parent
            self._file = load_yaml(config, self.problems)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys read so far, in order: all keys, once a config is read."""
        return tuple(self._keys)

    def variable(self, key: str) -> str:
        """The environment variable of a key."""
        return f"{self._prefix}_{key.upper().replace('.', '_')}"

    def rank(self, key: str) -> Rank:
        """The source of the key's value."""
        return self._source(key).rank

    def read(self, key: str, kind: Kind[T], default: T) -> T:
        """The key's value; ``default`` if it is absent, or wrong and noted."""
        found = self.optional(key, kind)
        return default if found is None else found

    def optional(self, key: str, kind: Kind[T]) -> T | None:
        """The key's value; None if it is absent, or wrong and noted."""
        self._keys.append(key)
        source = self._source(key)
        if source.rank is Rank.DEFAULT:
            return None
        if source.section is not None:
            found = source.section.optional(_last(key), kind)
            # A path in the file is relative to the file, not to the working directory.
            if isinstance(found, Path):
                return kind.parse(str(self._folder / found))
            return found
        return self._outside(key, kind)

    def read_fields(self, config: type) -> dict[str, Any]:
        """The values of a dataclass's fields; those that are absent, or wrong and noted, are left
        out.

        A field that is a setting is annotated with its ``Kind``, and with its key if that is not
        the field's name.
        """
        values: dict[str, Any] = {}
        for name, hint in get_type_hints(config, include_extras=True).items():
            if get_origin(hint) is Annotated:
                kind, *key = hint.__metadata__
                found = self.optional(key[0] if key else name, kind)
                if found is not None:
                    values[name] = found
        return values

    def complain(self, key: str, text: str) -> None:
        """Notes a problem under the name of the source of the key's value."""
        source = self._source(key)
        if source.section is not None:
            source.section.complain(_last(key), text)
        else:
            self.problems.append(Problem(None, None, source.name, text))

    def require_one(self, *keys: str) -> None:
        """Notes a problem if none of the keys has a value."""
        if all(self._source(key).rank is Rank.DEFAULT for key in keys):
            flags = " or ".join(_flag(key) for key in keys)
            variables = " or ".join(self.variable(key) for key in keys)
            named = " or ".join(keys)
            text = f"missing; give it, set {variables}, or write {named} in the --config file"
            self.problems.append(Problem(None, None, flags, text))

    def require_file(self, key: str, path: Path | None, *, needs: str | None = None) -> None:
        """Notes a path that is not a file, or that is given without the key that it ``needs``."""
        if path is None:
            return
        if not path.is_file():
            self.complain(key, f"there is no file {path}; correct the path")
        if needs is not None and self.rank(needs) is Rank.DEFAULT:
            self.complain(key, f"it needs {needs}; give both or neither")

    def read_fleet(self, path: Path) -> Fleet | None:
        """The fleet of that file; None if it has problems, which are noted."""
        try:
            return load_fleet(path)
        except ConfigError as wrong:
            self.problems.extend(wrong.problems)
            return None

    def finish(self) -> None:
        """Raises: ConfigError with every problem, also for keys of the file that were never
        read."""
        if self._file is not None:
            self._file.refuse_unknown(
                tuple(dict.fromkeys(key.partition(".")[0] for key in self._keys))
            )
        for outer in dict.fromkeys(key.rpartition(".")[0] for key in self._keys if "." in key):
            section = self._section(f"{outer}.")
            if section is not None:
                inner = [key for key in self._keys if key.startswith(f"{outer}.")]
                section.refuse_unknown([_last(key) for key in inner])
        if self.problems:
            raise ConfigError(self.problems)

    def _source(self, key: str) -> _Source:
        if self._flags.get(_destination(key)) not in (None, False):
            return _Source(Rank.FLAG, _flag(key))
        if self._environ.get(self.variable(key)):
            return _Source(Rank.ENVIRONMENT, self.variable(key))
        section = self._section(key)
        if section is not None and section.value(_last(key)) is not None:
            return _Source(Rank.FILE, key, section)
        return _Source(Rank.DEFAULT, key)

    def _section(self, key: str) -> Section | None:
        outer = key.rpartition(".")[0]
        if self._file is None or not outer:
            return self._file
        if outer not in self._sections:
            self._sections[outer] = self._file.section(outer)
        return self._sections[outer]

    def _outside(self, key: str, kind: Kind[T]) -> T | None:
        flag = self._flags.get(_destination(key))
        variable = self._environ.get(self.variable(key), "")
        is_flag = flag not in (None, False)
        if not is_flag and not variable:
            return None
        try:
            if not is_flag:
                return kind.parse(variable)
            return kind.parse(flag) if isinstance(flag, str) else kind.read(flag)
        except ValueError as wrong:
            name = _flag(key) if is_flag else self.variable(key)
            self.problems.append(Problem(None, None, name, str(wrong)))
            return None


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _destination(key: str) -> str:
    return key.replace(".", "_")


def _flag(key: str) -> str:
    return "--" + key.replace(".", "-").replace("_", "-")


def state_directory(environ: Mapping[str, str]) -> Path | None:
    """The folder that systemd made for a daemon, or None."""
    # systemd separates several folders with colons; the first is the daemon's own.
    given = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(given) if given else None


def credential(environ: Mapping[str, str], name: str) -> Path | None:
    """The file of a secret that systemd passed to a daemon (``LoadCredential=``), or None."""
    folder = environ.get("CREDENTIALS_DIRECTORY", "")
    file = Path(folder) / name
    return file if folder and file.is_file() else None
