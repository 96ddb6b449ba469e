/** Networks: who reaches whom. */
import { api } from "../api/client.ts";
import type { Network } from "../api/types.ts";
import { Button } from "../components/button.tsx";
import { ask } from "../components/dialog.tsx";
import { Heading } from "../components/heading.tsx";
import { Notice } from "../components/notice.tsx";
import { done } from "../components/toast.tsx";
import { plural } from "../lib/format.ts";
import { useLoad } from "../lib/use-load.ts";
import { href } from "../router.ts";
import { containers, unsupported } from "../state.ts";

export function NetworksView() {
  const { data, problem, reload } = useLoad(() => api.networks(), [alive()]);
  return (
    <>
      <Heading
        title="Networks"
        about="A network is a bridge of this machine that containers are plugged into. On one that was made they find each other by name; from one network to another nothing passes."
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
      {!data && !problem && <p class="soft">Asking the server for its networks…</p>}
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
  const { name, subnet, gateway, builtin } = network;
  const users = network.containers;
  return (
    <li class="panel template" aria-label={name}>
      <div class="row spread">
        <h2>{name}</h2>
        <span class="tag">{builtin ? "built in" : "yours"}</span>
      </div>
      <dl class="facts">
        <dt>Addresses</dt>
        <dd class="mono">{subnet ?? "chosen at the first start"}</dd>
        <dt>Gateway</dt>
        <dd class="mono">{gateway ?? "–"}</dd>
      </dl>
      <p class="small grow">
        {users.length === 0 ? (
          <span class="soft">No container is on it.</span>
        ) : (
          <>
            <span class="soft">{plural(users.length, "container")}: </span>
            {users.map((user, index) => (
              <span key={user}>
                {index > 0 && ", "}
                <a href={href("containers", user)}>{user}</a>
              </span>
            ))}
          </>
        )}
      </p>
      {!builtin && (
        <div class="row">
          <Button
            icon="trash"
            kind="danger"
            label={`Delete the network ${name}`}
            unavailable={users.length > 0 ? "containers use it" : null}
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
            For example <code>10.99.0.0/24</code>. Left empty, one is taken that this machine does
            not use.
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
    body: <p>No container uses it.</p>,
    action: "Delete",
    danger: true,
    run: async () => {
      await api.removeNetwork(name);
      done(`Network ${name} deleted`);
      reload();
    },
  });
}
