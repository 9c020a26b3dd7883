/** biome-ignore-all lint/a11y/noNoninteractiveTabindex: a table that scrolls must be reachable by keyboard */
/** biome-ignore-all lint/a11y/useSemanticElements: a table element cannot leave out the rows that are out of view */
import { useState } from 'preact/hooks';
import type { Children } from './parts.tsx';

export interface Column<Row> {
  title: string;
  /** A track of CSS grid. */
  width: string;
  right?: boolean;
  cell: (row: Row) => Children;
}

const rowHeight = 38;
const headHeight = 36;
const spareRows = 12;

/** A table of any length: only the rows in view are made. */
export function VirtualTable<Row>(props: {
  rows: readonly Row[];
  columns: readonly Column<Row>[];
  height: number;
  label: string;
}) {
  const { rows, columns, height, label } = props;
  const [top, setTop] = useState(0);
  const first = Math.max(0, Math.floor(top / rowHeight) - spareRows);
  const shown = rows.slice(first, first + Math.ceil(height / rowHeight) + 2 * spareRows);
  const tracks = { gridTemplateColumns: columns.map(({ width }) => width).join(' ') };
  const whole = Math.min(height, headHeight + rows.length * rowHeight + 2);
  return (
    <div
      class="vtable"
      style={{ height: `${whole}px` }}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      role="table"
      aria-label={label}
      aria-rowcount={rows.length + 1}
      tabIndex={0}
    >
      <div class="vhead" style={tracks} role="row" aria-rowindex={1} tabIndex={-1}>
        {columns.map(({ title, right }) => (
          <span key={title} class={`vcell ${right ? 'right' : ''}`} role="columnheader" tabIndex={-1}>
            {title}
          </span>
        ))}
      </div>
      <div style={{ height: `${rows.length * rowHeight}px`, position: 'relative' }} role="rowgroup">
        {shown.map((row, n) => (
          <div
            key={first + n}
            class="vrow"
            role="row"
            aria-rowindex={first + n + 2}
            tabIndex={-1}
            style={{ ...tracks, top: `${(first + n) * rowHeight}px` }}
          >
            {columns.map(({ title, right, cell }) => (
              <span key={title} class={`vcell ${right ? 'right number' : ''}`} role="cell">
                {cell(row)}
              </span>
            ))}
          </div>
        ))}
      </div>
    </div>
  );
}
