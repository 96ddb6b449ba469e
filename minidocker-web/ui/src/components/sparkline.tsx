/** A minute of something, small. */

const WIDTH = 100;
const HEIGHT = 22;
const POINTS = 60;

export function Sparkline({ values, top }: { values: number[]; top?: number | undefined }) {
  const highest = Math.max(top ?? 0, 5, ...values);
  const step = WIDTH / (POINTS - 1);
  const start = POINTS - values.length;
  const points = values.map(
    (value, i) => `${((start + i) * step).toFixed(1)},${y(value, highest)}`,
  );
  // A single sample is a short line, not a speck.
  const [first] = points;
  if (points.length === 1 && first) points.unshift(first.replace(/^[^,]*/, `${WIDTH - 4}`));
  const left = values.length === 1 ? String(WIDTH - 4) : (start * step).toFixed(1);
  return (
    <svg
      class="sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      <line class="ground" x1="0" x2={WIDTH} y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} />
      {points.length > 0 && (
        <path class="area" d={`M${left},${HEIGHT}L${points.join("L")}L${WIDTH},${HEIGHT}Z`} />
      )}
      <polyline class="line" points={points.join(" ")} />
    </svg>
  );
}

function y(value: number, highest: number): string {
  return (HEIGHT - 1 - (value / highest) * (HEIGHT - 2)).toFixed(1);
}
