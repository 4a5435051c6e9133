/**
 * The rows of a long table that are in the document: pure.
 */

/** A table up to this length is whole, so that the browser's own search finds every row. */
export const WHOLE_ROWS = 120;

/** Extra rows beyond either edge, ready for scrolling. */
const MARGIN_ROWS = 8;

/**
 * `{start, end}` of the rows to show, out of `count` rows of height `rowPx`. The view begins
 * `offsetPx` below the first row's top and is `viewPx` high.
 */
export function visibleRange(count, rowPx, offsetPx, viewPx) {
  if (count <= WHOLE_ROWS) return { start: 0, end: count };
  const first = Math.floor(offsetPx / rowPx) - MARGIN_ROWS;
  const last = Math.ceil((offsetPx + viewPx) / rowPx) + MARGIN_ROWS;
  const start = Math.min(count, Math.max(0, first));
  return { start, end: Math.max(start, Math.min(count, last)) };
}
