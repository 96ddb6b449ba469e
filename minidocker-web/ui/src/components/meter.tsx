/** How much of a limit is used. */
export function Meter({ percent: value }: { percent: number }) {
  const width = `${Math.min(100, Math.max(0, value))}%`;
  const bar = value >= 95 ? "var(--error)" : value >= 80 ? "var(--warning)" : "var(--memory)";
  return (
    <div class="meter" style={{ "--bar": bar }}>
      <span style={{ width }} />
    </div>
  );
}
