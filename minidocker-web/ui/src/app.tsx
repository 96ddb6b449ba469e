/** The frame: where one can go, how the connection is, and the view that is open. */
import { effect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Button } from "./components/button.tsx";
import { Dialog } from "./components/dialog.tsx";
import { Icon, type IconName } from "./components/icon.tsx";
import { Menu, type MenuItem, openMenuAt } from "./components/menu.tsx";
import { Empty, Notice } from "./components/notice.tsx";
import { Toasts } from "./components/toast.tsx";
import { go, href, route } from "./router.ts";
import { connection, containers, isAlive, listed, refusal, simulated, system } from "./state.ts";
import { isDark, theme, toggleTheme } from "./theme.ts";
import { ContainerView } from "./views/container/container.tsx";
import { CreateView } from "./views/create/create.tsx";
import { ExperimentsView } from "./views/experiments.tsx";
import { ImagesView } from "./views/images.tsx";
import { LearnView } from "./views/learn/learn.tsx";
import { ContainersView } from "./views/list/containers.tsx";
import { NetworksView } from "./views/networks.tsx";
import { SystemView } from "./views/system.tsx";
import { TemplatesView } from "./views/templates.tsx";

const PLACES: { path: string; label: string; icon: IconName }[] = [
  { path: "containers", label: "Containers", icon: "box" },
  { path: "create", label: "Create", icon: "plus" },
  { path: "learn", label: "Learn", icon: "learn" },
  { path: "experiments", label: "Experiments", icon: "flask" },
  { path: "templates", label: "Templates", icon: "template" },
  { path: "images", label: "Images", icon: "layers" },
  { path: "networks", label: "Networks", icon: "network" },
  { path: "system", label: "System", icon: "system" },
];

/** So many places fit beside each other; the others are in a menu. */
const ON_A_PHONE = 4;
const PLACES_BELOW_MORE = PLACES.slice(ON_A_PHONE);

function morePlaces(): MenuItem[] {
  const places = PLACES_BELOW_MORE.map(
    ({ path, label, icon }): MenuItem => ({ label, icon, run: () => go(path) }),
  );
  const colours: MenuItem = isDark()
    ? { label: "Light colours", icon: "sun", run: toggleTheme, apart: true }
    : { label: "Dark colours", icon: "moon", run: toggleTheme, apart: true };
  return [...places, colours];
}

export function App() {
  const [place = "containers", ...rest] = route.value.path;
  const main = useRef<HTMLElement>(null);
  const where = route.value.path.join("/");
  const first = useRef(true);

  useEffect(() => {
    document.title = titleOf(place, rest);
    // A new view begins at its top, and a screen reader reads on from there.
    if (first.current) first.current = false;
    else if (document.activeElement === document.body) main.current?.focus();
    window.scrollTo(0, 0);
  }, [where]);

  useEffect(() => {
    document.addEventListener("keydown", shortcut);
    return () => document.removeEventListener("keydown", shortcut);
  }, []);

  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to content
      </button>
      <div class="frame">
        <nav class="rail" aria-label="Main">
          <a class="brand" href={href("containers")}>
            <Logo />
            <span>minidocker</span>
          </a>
          <ul>
            {PLACES.map(({ path, label, icon }, index) => (
              <li key={path} class={index < ON_A_PHONE ? "" : "wide-only"}>
                <a href={href(path)} aria-current={place === path ? "page" : undefined}>
                  <Icon name={icon} size={18} />
                  <span>{label}</span>
                  {path === "containers" && <Running />}
                </a>
              </li>
            ))}
            <li class="phone-only">
              <button
                type="button"
                aria-haspopup="menu"
                aria-current={
                  PLACES_BELOW_MORE.some(({ path }) => path === place) ? "true" : undefined
                }
                onClick={(event) => openMenuAt("More", morePlaces(), event.currentTarget)}
              >
                <Icon name="menu" size={18} />
                <span>More</span>
              </button>
            </li>
          </ul>
          <div class="foot">
            <Connection />
            <Button
              icon={theme.value && isDark() ? "sun" : "moon"}
              kind="quiet"
              small
              label={isDark() ? "Light colours" : "Dark colours"}
              onClick={toggleTheme}
            />
          </div>
        </nav>
        <main id="main" ref={main} tabIndex={-1}>
          <Banners />
          <View place={place} rest={rest} />
        </main>
      </div>
      <Menu />
      <Dialog />
      <Toasts />
    </>
  );
}

function View({ place, rest }: { place: string; rest: string[] }) {
  const [name, tab] = rest;
  switch (place) {
    case "containers":
      return name === undefined ? (
        <ContainersView />
      ) : (
        <ContainerView key={name} name={name} tab={tab ?? "overview"} />
      );
    case "create":
      return <CreateView />;
    case "learn":
      return <LearnView chapter={name} />;
    case "experiments":
      return <ExperimentsView feature={name} />;
    case "templates":
      return <TemplatesView />;
    case "images":
      return <ImagesView />;
    case "networks":
      return <NetworksView />;
    case "system":
      return <SystemView />;
    default:
      return (
        <Empty title="Page not found">
          <a href={href("containers")}>Go to the containers</a>
        </Empty>
      );
  }
}

function Running() {
  const count = [...containers.value.values()].filter(isAlive).length;
  if (count === 0) return null;
  return (
    <span class="count number" role="img" aria-label={`${count} alive`} title={`${count} alive`}>
      {count}
    </span>
  );
}

function Connection() {
  const words = { connecting: "Connecting…", live: "Live", lost: "Reconnecting…" };
  const state = { connecting: "created", live: "running", lost: "error" }[connection.value];
  return (
    <span class="status small" data-state={state} role="status">
      {words[connection.value]}
    </span>
  );
}

function Banners() {
  return (
    <>
      {refusal.value && (
        <div class="banner">
          <Notice problem={refusal.value} />
        </div>
      )}
      {connection.value === "lost" && !refusal.value && (
        <div class="banner notice bad" role="alert">
          <strong>The server does not answer.</strong>
          <span>
            Containers keep running. This page reconnects as soon as minidocker-web is back
            {listed.value ? ", and shows the last known state until then." : "."}
          </span>
        </div>
      )}
      {simulated.value && (
        <div class="banner notice warn" role="status">
          <strong>Simulation: these are ordinary processes, not isolated containers.</strong>
          <span>
            Why: {system.value?.backend.why}. Actions that are not available here are greyed out.
          </span>
        </div>
      )}
    </>
  );
}

export function Logo() {
  return (
    <svg width="28" height="28" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect x="2" y="7" width="28" height="18" rx="3" class="logo-box" />
      <path d="M7.5 11v10M12 11v10M16.5 11v10M21 11v10M25.5 11v10" class="logo-ribs" />
    </svg>
  );
}

function titleOf(place: string, [name]: string[]): string {
  const label = PLACES.find(({ path }) => path === place)?.label ?? "minidocker";
  return place === "containers" && name ? `${name} · minidocker` : `${label} · minidocker`;
}

function shortcut(event: KeyboardEvent): void {
  const target = event.target as HTMLElement;
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (target.closest("input, textarea, select, dialog, .xterm, [contenteditable]")) return;
  if (event.key === "/") {
    const search = document.querySelector<HTMLInputElement>('input[type="search"]');
    if (search) search.focus();
    else go("containers");
  } else if (event.key === "n") go("create");
  else if (event.key === "g") go("containers");
  else if (event.key === "?") go("learn", "keyboard");
  else return;
  event.preventDefault();
}

effect(() => {
  document.documentElement.dataset.connection = connection.value;
});
