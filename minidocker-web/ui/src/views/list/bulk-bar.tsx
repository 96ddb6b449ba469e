/** What can be done with the selected containers. */
import type { Container } from "../../api/types.ts";
import { Button } from "../../components/button.tsx";
import { attempt } from "../../components/toast.tsx";
import {
  BulkProgress,
  bulk,
  confirmDelete,
  progress,
  VERBS,
  type Verb,
  whyNone,
  whyNot,
} from "../../lib/actions.tsx";
import { containers } from "../../state.ts";
import { selected } from "./list-state.ts";

export function BulkBar({ shown }: { shown: Container[] }) {
  const chosen = [...containers.value.values()].filter((one) => selected.value.has(one.name));
  if (chosen.length === 0) return null;
  const all = shown.every((one) => selected.value.has(one.name));
  return (
    <div class="bulk" role="toolbar" aria-label="Actions on the selected containers">
      <strong>{chosen.length} selected</strong>
      <Button
        kind="quiet"
        small
        onClick={() => {
          selected.value = new Set(all ? [] : shown.map((one) => one.name));
        }}
      >
        {all ? "Select none" : `Select all ${shown.length}`}
      </Button>
      <span class="grow" />
      {progress.value ? (
        <BulkProgress />
      ) : (
        VERBS.map(({ verb, label, icon }) => {
          const able = chosen.filter((one) => whyNot(verb, one) === null);
          return (
            <Button
              key={verb}
              icon={icon}
              small
              kind={verb === "delete" ? "danger" : ""}
              unavailable={able.length === 0 ? whyNone(verb, chosen) : null}
              onClick={() => run(verb, able)}
            >
              {label}
              {able.length < chosen.length && able.length > 0 && (
                <span class="number">
                  {" "}
                  {able.length}/{chosen.length}
                </span>
              )}
            </Button>
          );
        })
      )}
    </div>
  );
}

function run(verb: Verb, able: Container[]): void {
  if (verb !== "delete") {
    void attempt(() => bulk(verb, able));
    return;
  }
  confirmDelete(able, () => {
    selected.value = new Set();
  });
}
