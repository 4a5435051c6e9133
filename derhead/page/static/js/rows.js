/**
 * Which rows of a long table stand in the document: pure.
 */

/** Tables up to this long are whole, so that the browser's own search finds every row. */
export const WHOLE_ROWS = 120;

/** Rows beyond either edge that are there before they are scrolled to. */
const MARGIN_ROWS = 8;

/**
 * `{start, end}` of the rows to show, of `count` rows `rowPx` high, when the view begins
 * `offsetPx` below the first row's top and is `viewPx` high.
 */
export function visibleRange(count, rowPx, offsetPx, viewPx) {
  if (count <= WHOLE_ROWS) return { start: 0, end: count };
  const first = Math.floor(offsetPx / rowPx) - MARGIN_ROWS;
  const last = Math.ceil((offsetPx + viewPx) / rowPx) + MARGIN_ROWS;
  const start = Math.min(count, Math.max(0, first));
  return { start, end: Math.max(start, Math.min(count, last)) };
}
