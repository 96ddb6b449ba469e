/** The actions of one container in the list: what is most likely wanted next, and the menu. */
import type { Container } from "../../api/types.ts";
import { Button, LinkButton } from "../../components/button.tsx";
import { openMenuAt } from "../../components/menu.tsx";
import { act, menuOf, VERBS, whyNot } from "../../lib/actions.tsx";
import { href } from "../../router.ts";
import { containers } from "../../state.ts";

export function Quick({ container }: { container: Container }) {
  const { name, status } = container;
  const verbs = VERBS.filter(({ verb }) => {
    if (status === "paused") return verb === "resume" || verb === "stop";
    if (status === "running") return verb === "pause" || verb === "stop";
    if (status === "restarting") return verb === "stop";
    return verb === "start";
  });
  return (
    <div class="row quick">
      {verbs.map(({ verb, label, icon }) => (
        <Button
          key={verb}
          icon={icon}
          small
          label={`${label} ${name}`}
          unavailable={whyNot(verb, container)}
          onClick={() => act(verb, container)}
        />
      ))}
      <LinkButton
        to={href("containers", name, "logs")}
        icon="logs"
        small
        label={`Logs of ${name}`}
      />
      <Button
        icon="menu"
        small
        label={`All actions of ${name}`}
        onClick={(event) => openMenuAt(name, menuOf(container), event.currentTarget as Element)}
      />
    </div>
  );
}

/** The menu as things are when it opens. */
export function currentMenu(name: string) {
  const now = containers.value.get(name);
  return now ? menuOf(now) : [];
}
