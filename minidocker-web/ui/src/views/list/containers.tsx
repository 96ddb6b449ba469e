/** All containers, as they are now. */
import { useRef } from "preact/hooks";
import type { Container } from "../../api/types.ts";
import { Button, LinkButton } from "../../components/button.tsx";
import { Heading } from "../../components/heading.tsx";
import { Icon } from "../../components/icon.tsx";
import { Empty } from "../../components/notice.tsx";
import { StatusWord } from "../../components/status.tsx";
import { CONDITIONS, type Condition, is } from "../../lib/condition.ts";
import { plural } from "../../lib/format.ts";
import { useMore } from "../../lib/use-more.ts";
import { href } from "../../router.ts";
import { containers, listed } from "../../state.ts";
import { askImport } from "../import.tsx";
import { TemplateCards } from "../templates.tsx";
import { BulkBar } from "./bulk-bar.tsx";
import { Card } from "./card.tsx";
import {
  chosen,
  found,
  layout,
  only,
  reversed,
  SORTS,
  type Sort,
  search,
  sort,
} from "./list-state.ts";
import { Table } from "./table.tsx";

export function ContainersView() {
  const all = [...containers.value.values()];
  const matching = found(all);
  const shown = chosen(matching);
  const list = useRef<HTMLDivElement>(null);
  const { count, end } = useMore(shown.length);
  const drawn = shown.slice(0, count);
  const order = shown.map(({ name }) => name);

  if (listed.value && all.length === 0) return <NoneYet />;

  return (
    <>
      <Heading title="Containers">
        <Button icon="upload" onClick={askImport}>
          Import
        </Button>
        <LinkButton to={href("create")} icon="plus" kind="primary">
          Create
        </LinkButton>
      </Heading>
      <Toolbar />
      <StateFilter found={matching} />
      <BulkBar shown={shown} />
      {!listed.value && <p class="soft">Loading the containers…</p>}
      {listed.value && shown.length === 0 && (
        <Empty title="Nothing matches">
          <p>{plural(all.length, "container")} in all, none of which matches the search.</p>
          <Button
            onClick={() => {
              search.value = "";
              only.value = null;
            }}
          >
            Show all
          </Button>
        </Empty>
      )}
      {/* biome-ignore lint/a11y/noStaticElementInteractions: arrows go from link to link inside */}
      <div ref={list} onKeyDown={(event) => arrows(event, list.current)}>
        {shown.length > 0 &&
          (layout.value === "cards" ? (
            <ul class="cards" aria-label="Containers">
              {drawn.map((one) => (
                <Card key={one.id ?? one.name} container={one} order={order} />
              ))}
            </ul>
          ) : (
            <Table shown={shown} drawn={drawn} order={order} />
          ))}
        <div ref={end} />
      </div>
    </>
  );
}

function Toolbar() {
  return (
    <div class="toolbar">
      <label class="search grow">
        <Icon name="search" />
        <input
          type="search"
          class="input"
          placeholder="Search: a name, a command, unhealthy, status:running, env:MODE=dev"
          aria-label="Search containers"
          value={search.value}
          onInput={(event) => {
            search.value = event.currentTarget.value;
          }}
        />
      </label>
      <label class="row small soft">
        Sort by
        <select
          class="input compact"
          value={sort.value}
          onChange={(event) => {
            sort.value = event.currentTarget.value as Sort;
            reversed.value = false;
          }}
        >
          {Object.entries(SORTS).map(([key, label]) => (
            <option key={key} value={key}>
              {label}
            </option>
          ))}
        </select>
      </label>
      <div class="segments" role="group" aria-label="Layout">
        {(["cards", "table"] as const).map((one) => (
          <button
            key={one}
            type="button"
            aria-pressed={layout.value === one}
            aria-label={one === "cards" ? "Cards" : "Table"}
            title={one === "cards" ? "Cards" : "Table"}
            onClick={() => {
              layout.value = one;
              localStorage.setItem("minidocker.layout", one);
            }}
          >
            <Icon name={one === "cards" ? "grid" : "list"} />
          </button>
        ))}
      </div>
    </div>
  );
}

/** Up and down go from container to container. */
function arrows(event: KeyboardEvent, list: HTMLElement | null): void {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  if ((event.target as HTMLElement).matches("select, input:not([type=checkbox])")) return;
  const names = [...(list?.querySelectorAll<HTMLElement>("a.name") ?? [])];
  const here = (event.target as HTMLElement).closest("li, tr");
  const at = names.findIndex((name) => here?.contains(name));
  const next = names[at + (event.key === "ArrowDown" ? 1 : -1)];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

function StateFilter({ found }: { found: Container[] }) {
  return (
    <div class="chips" role="group" aria-label="Show only containers in this state">
      <button type="button" aria-pressed={only.value === null} onClick={() => (only.value = null)}>
        All <span class="number">{found.length}</span>
      </button>
      {(Object.keys(CONDITIONS) as Condition[]).map((condition) => {
        const count = found.filter((one) => is(condition, one)).length;
        if (count === 0 && only.value !== condition) return null;
        return (
          <button
            key={condition}
            type="button"
            data-state={condition}
            aria-pressed={only.value === condition}
            onClick={() => {
              only.value = only.value === condition ? null : condition;
            }}
          >
            <StatusWord status={condition} /> <span class="number">{count}</span>
          </button>
        );
      })}
    </div>
  );
}

function NoneYet() {
  return (
    <>
      <Heading title="Containers">
        <Button icon="upload" onClick={askImport}>
          Import
        </Button>
      </Heading>
      <section class="panel welcome">
        <div class="ribs" aria-hidden="true" />
        <div class="stack">
          <h2>No containers yet. Create the first one.</h2>
          <p class="soft">
            A container is a program in a room of its own, with its own files, its own list of
            processes, and a budget of memory and CPU. Choose a template, or{" "}
            <a href={href("create")}>start from an empty form</a>. New to this?{" "}
            <a href={href("learn")}>Read what a container is</a>: it takes five minutes.
          </p>
          <TemplateCards hello />
        </div>
      </section>
    </>
  );
}
