"""What a new ``assets.yaml`` changes in a fleet: pure."""

from dataclasses import dataclass

from derproto.configuration.fleet import Asset, Fleet


@dataclass(frozen=True, slots=True)
class FleetChanges:
    """The assets by which a fleet differs from an earlier one, by id, in the file's order."""

    added: tuple[Asset, ...]
    removed: tuple[Asset, ...]
    changed: tuple[Asset, ...]
    """As they are now."""
    claims: frozenset[str]
    """The assets that an agent may claim now and could not before, or could and may not now."""
    sites_differ: bool
    """Sites came, went or changed."""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.sites_differ)

    def __str__(self) -> str:
        counts = (
            f"{len(assets)} {word}"
            for assets, word in (
                (self.added, "added"),
                (self.removed, "removed"),
                (self.changed, "changed"),
            )
            if assets
        )
        return ", ".join(counts) or ("sites changed" if self.sites_differ else "unchanged")


def find_changes(before: Fleet, after: Fleet) -> FleetChanges:
    """What ``after`` changes. It walks both fleets: for a large one, call it in a thread."""
    added = [asset for id, asset in after.assets.items() if id not in before.assets]
    removed = [asset for id, asset in before.assets.items() if id not in after.assets]
    kept = [(before.assets[id], now) for id, now in after.assets.items() if id in before.assets]
    reserved = [now.id for was, now in kept if before.agent_of(was) != after.agent_of(now)]
    return FleetChanges(
        added=tuple(added),
        removed=tuple(removed),
        changed=tuple(now for was, now in kept if was != now),
        claims=frozenset([*reserved, *(asset.id for asset in (*added, *removed))]),
        sites_differ=list(before.sites.items()) != list(after.sites.items()),
    )
