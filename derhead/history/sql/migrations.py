"""The numbered SQL files that make up a store's schema."""

from importlib import resources


def read_migrations(package: str) -> dict[int, str]:
    """The files in the package's folder ``migrations``, by number; each leads from one version to
    the next."""
    folder = resources.files(package) / "migrations"
    scripts = {
        int(file.name.split("_", 1)[0]): file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    }
    return dict(sorted(scripts.items()))
