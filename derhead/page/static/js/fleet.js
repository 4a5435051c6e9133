/**
 * The fleet as the page knows it, and its sums: pure.
 *
 * A fleet is `{assets: Map of asset by id, latest: Map of telemetry by asset id}`, from
 * `GET /assets` and the telemetry events. Each item of telemetry has `at_ms`, the page's time when it
 * came.
 */

/** An empty fleet. */
export function emptyFleet() {
  return { assets: new Map(), latest: new Map() };
}

/** The fleet with these assets and no others. */
export function withAssets(fleet, assets) {
  return { ...fleet, assets: new Map(assets.map((asset) => [asset.id, asset])) };
}

/** Adds newer telemetry, in place. True if it has an asset that the fleet does not list. */
export function takeTelemetry(fleet, items, nowMs) {
  let unknown = false;
  for (const item of items) {
    fleet.latest.set(item.asset_id, { ...item, at_ms: nowMs });
    unknown ||= !fleet.assets.has(item.asset_id);
  }
  return unknown;
}

/** Marks the assets of an agent that connected or disconnected, in place. */
export function takeAgent(fleet, agentId, online) {
  for (const [id, asset] of fleet.assets) {
    if (asset.agent_id === agentId && asset.online !== online) {
      fleet.assets.set(id, { ...asset, online });
    }
  }
}

/**
 * `online`: the value is current. `stale`: the agent is connected, but the value is too old.
 * `offline`: the agent is not connected.
 */
export function condition(asset, item) {
  // A current value is proof; the event of the agent's connection comes a moment later.
  if (item && !item.stale) return "online";
  return asset.online ? "stale" : "offline";
}

/** Seconds since the value was measured, as far as known; null if there never was one. */
export function ageS(item, nowMs) {
  if (!item || item.age_s === null) return null;
  return item.age_s + Math.max(0, nowMs - item.at_ms) / 1000;
}

/** A sum to which assets are added one by one. */
export function emptyTotals() {
  return {
    mw: 0,
    up: 0,
    down: 0,
    rated: 0,
    assets: 0,
    counted: 0,
    online: 0,
    stale: 0,
    offline: 0,
  };
}

function add(totals, asset, item, state) {
  totals.assets += 1;
  totals.rated += asset.rated_mw;
  totals[state] += 1;
  if (state !== "online" || item.p_mw === null) return;
  totals.counted += 1;
  totals.mw += item.p_mw;
  if (item.p_mw > 0) totals.up += item.p_mw;
  else totals.down -= item.p_mw;
}

/**
 * Power and states of the fleet and of each site: `{fleet, sites: [{id, name, ...}]}`.
 *
 * Only current values count; `counted` of `assets` is their number.
 */
export function totalsOf(fleet) {
  const all = emptyTotals();
  const sites = new Map();
  for (const asset of fleet.assets.values()) {
    const item = fleet.latest.get(asset.id);
    const state = condition(asset, item);
    let site = sites.get(asset.site_id);
    if (!site) {
      site = { id: asset.site_id, name: asset.site_name, ...emptyTotals() };
      sites.set(asset.site_id, site);
    }
    add(all, asset, item, state);
    add(site, asset, item, state);
  }
  const named = [...sites.values()].sort((a, b) => compareText(a.name, b.name));
  return { fleet: all, sites: named };
}

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/** Natural order of names: `battery-2` before `battery-10`. */
export function compareText(a, b) {
  return collator.compare(a, b);
}

const CONDITION_ORDER = { offline: 0, stale: 1, online: 2 };

const SORTS = {
  name: (row) => row.asset.name,
  site: (row) => row.asset.site_name,
  kind: (row) => row.asset.kind,
  power: (row) => row.item?.p_mw,
  setpoint: (row) => row.item?.setpoint_mw,
  charge: (row) => row.item?.soc,
  state: (row) => CONDITION_ORDER[row.state],
};

/** The sortable columns of a table of assets. */
export const SORT_KEYS = Object.keys(SORTS);

/** Columns whose values change all the time, so that their rows would move. */
export const MOVING = new Set(["power", "setpoint", "charge"]);

/** Whether a row passes the filter `{text, site, kind, state}`, each "" for any. */
export function matches(row, filter) {
  const { asset } = row;
  if (filter.site && asset.site_name !== filter.site) return false;
  if (filter.kind && asset.kind !== filter.kind) return false;
  if (filter.state && row.state !== filter.state) return false;
  return filter.text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => `${asset.name} ${asset.site_name}`.toLowerCase().includes(word));
}

/** The fleet's rows `{asset, item, state}` that pass the filter. */
export function rowsOf(fleet, filter) {
  const rows = [];
  for (const asset of fleet.assets.values()) {
    const item = fleet.latest.get(asset.id);
    const row = { asset, item, state: condition(asset, item) };
    if (matches(row, filter)) rows.push(row);
  }
  return rows;
}

/** Sorted rows: unknown values last in either direction, equal ones by name. */
export function sorted(rows, key, descending) {
  const valueOf = SORTS[key] ?? SORTS.name;
  const sign = descending ? -1 : 1;
  return rows
    .map((row) => [valueOf(row), row])
    .sort(([a, rowA], [b, rowB]) => {
      const unknown = Number(a === null || a === undefined) - Number(b === null || b === undefined);
      return unknown || sign * compareValues(a, b) || compareText(rowA.asset.name, rowB.asset.name);
    })
    .map(([, row]) => row);
}

function compareValues(a, b) {
  if (typeof a === "string") return compareText(a, b);
  return a < b ? -1 : Number(a > b);
}
