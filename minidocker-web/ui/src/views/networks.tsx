/** Networks: who reaches whom. */
import { api } from "../api/client.ts";
import type { Network } from "../api/types.ts";
import { Button } from "../components/button.tsx";
import { ask } from "../components/dialog.tsx";
import { Heading } from "../components/heading.tsx";
import { Notice } from "../components/notice.tsx";
import { done } from "../components/toast.tsx";
import { ago, plural } from "../lib/format.ts";
import { useLoad } from "../lib/use-load.ts";
import { href } from "../router.ts";
import { containers, unsupported } from "../state.ts";
import { startDraft } from "./create/form-state.ts";

export function NetworksView() {
  const { data, problem, reload } = useLoad(() => api.networks(), [alive()]);
  return (
    <>
      <Heading
        title="Networks"
        about="A network is a bridge on this machine. Containers on the same network find each other by name; nothing passes from one network to another."
      >
        <Button
          icon="plus"
          kind="primary"
          unavailable={unsupported("networks")}
          onClick={() => askCreate(reload)}
        >
          Create a network
        </Button>
      </Heading>
      {problem && <Notice problem={problem} />}
      {!data && !problem && <p class="soft">Loading the networks…</p>}
      <ul class="templates">
        {data?.map((network) => (
          <NetworkCard key={network.name} network={network} reload={reload} />
        ))}
      </ul>
    </>
  );
}

/** Changes when who is on a network may have. */
function alive(): string {
  return [...containers.value.values()].map(({ name, status }) => `${name} ${status}`).join();
}

function NetworkCard({ network, reload }: { network: Network; reload: () => void }) {
  const { name, subnet, bridge, gateway, created_at } = network;
  const builtin = created_at === null;
  const made = [...containers.value.values()].filter((one) => one.spec?.network === name);
  return (
    <li class="panel template" aria-label={name}>
      <div class="row spread">
        <h2>{name}</h2>
        <span class="tag">{builtin ? "built in" : "yours"}</span>
      </div>
      <p class="soft">
        {builtin
          ? "Default network for containers that choose no other."
          : `Created ${ago(created_at)}.`}
      </p>
      <dl class="facts">
        <dt>Addresses</dt>
        <dd class="mono nowrap">{subnet ?? "chosen when the network is first used"}</dd>
        <dt>Bridge</dt>
        <dd>
          {bridge ? (
            <>
              <span class="mono">{bridge}</span>, gateway <span class="mono">{gateway}</span>
            </>
          ) : (
            <span class="soft">none while no container is running</span>
          )}
        </dd>
        <dt>Containers</dt>
        <dd>
          {network.containers.map(
            ({ id, names: [own = id.slice(0, 12), ...aliases], ip_address }) => (
              <div key={id}>
                <a href={href("containers", own)}>{own}</a> <span class="mono">{ip_address}</span>
                {aliases.length > 0 && <span class="soft"> alias {aliases.join(", ")}</span>}
              </div>
            ),
          )}
          {network.containers.length === 0 && <span class="soft">none running</span>}
        </dd>
      </dl>
      <div class="grow" />
      {!builtin && (
        <div class="row">
          <Button onClick={() => startDraft({ network: name })}>Create a container here</Button>
          <Button
            icon="trash"
            kind="danger"
            label={`Delete the network ${name}`}
            unavailable={
              made.length > 0 ? `${plural(made.length, "container")} made for this network` : null
            }
            onClick={() => askDelete(name, reload)}
          />
        </div>
      )}
    </li>
  );
}

function askCreate(reload: () => void): void {
  ask({
    title: "Create a network",
    body: (
      <>
        <div class="field">
          <label for="network-name">Name</label>
          <input id="network-name" name="name" class="input mono" required autocomplete="off" />
        </div>
        <div class="field">
          <label for="network-subnet">Addresses</label>
          <input
            id="network-subnet"
            name="subnet"
            class="input mono"
            placeholder="chosen for you"
            autocomplete="off"
          />
          <p class="hint">
            For example <code>10.99.0.0/24</code>. Leave it empty to take a range that this machine
            does not use.
          </p>
        </div>
      </>
    ),
    action: "Create",
    run: async (form) => {
      const name = String(form.get("name")).trim();
      const subnet = String(form.get("subnet")).trim();
      await api.createNetwork({ name, ...(subnet && { subnet }) });
      done(`Network ${name} created`);
      reload();
    },
  });
}

function askDelete(name: string, reload: () => void): void {
  ask({
    title: `Delete the network ${name}?`,
    body: <p>No container uses this network.</p>,
    action: "Delete",
    danger: true,
    run: async () => {
      await api.removeNetwork(name);
      done(`Network ${name} deleted`);
      reload();
    },
  });
}
