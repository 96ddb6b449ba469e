import { selected, toggle } from "./list-state.ts";

/** The box that selects a container; with Shift, all from the last one to this. */
export function SelectBox({ name, order }: { name: string; order: string[] }) {
  return (
    <label class="tick">
      <input
        type="checkbox"
        aria-label={`Select ${name}`}
        checked={selected.value.has(name)}
        onClick={(event) => toggle(name, event.shiftKey, order)}
      />
    </label>
  );
}
