/** A small line without axes; `label` says in words what it shows. */
export function Sparkline({ values, label }: { values: readonly number[]; label: string }) {
  const width = 120;
  const height = 30;
  if (values.length < 2) return <span class="muted small">no usage</span>;
  const max = Math.max(...values, 0);
  const min = Math.min(...values, 0);
  const x = (at: number) => (at / (values.length - 1)) * width;
  const y = (value: number) =>
    max === min ? height - 1 : height - 1 - ((value - min) / (max - min)) * (height - 2);
  const line = values
    .map((value, at) => `${at === 0 ? 'M' : 'L'}${x(at).toFixed(1)} ${y(value).toFixed(1)}`)
    .join('');
  return (
    <svg
      class="spark"
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      <path class="area" d={`${line}L${width} ${height}L0 ${height}Z`} />
      <path class="line" d={line} />
    </svg>
  );
}
