/** What the container shares with this machine: folders, settings, the network. */
import { Lines } from "../../components/field.tsx";
import { href } from "../../router.ts";
import type { Props } from "./advanced.tsx";
import { NetworkFields } from "./network.tsx";

export function Sharing({ value, set, shown }: Props) {
  return (
    <section class="panel" aria-label="Sharing and network">
      <header>
        <h2>Sharing and network</h2>
      </header>
      <div class="body stack">
        <div class="two">
          <Lines
            id="volumes"
            label="Volumes"
            one="Volume"
            values={value.volumes}
            placeholder="/srv/data:/app/data"
            problem={shown("volumes")}
            hint={
              <>
                A folder of this machine, a colon, and the path inside. <code>:ro</code> at the end
                makes it read-only. <a href={href("learn", "files")}>More about volumes</a>
              </>
            }
            onChange={(volumes) => set("volumes")({ volumes })}
          />
          <Lines
            id="env"
            label="Environment variables"
            one="Variable"
            values={value.env}
            placeholder="MODE=production"
            problem={shown("env_vars")}
            hint="NAME=value, one on each line. Everyone who can see this page can read them, so keep secrets elsewhere."
            onChange={(env) => set("env_vars")({ env })}
          />
        </div>
        <NetworkFields value={value} set={set} shown={shown} />
      </div>
    </section>
  );
}
