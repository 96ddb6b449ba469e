/** A menu of actions at a point: by right click, long press, the menu key or a button. */
import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { Icon, type IconName } from "./icon.tsx";

export interface MenuItem {
  label: string;
  icon: IconName;
  run: () => void;
  /** Why it cannot be used now. */
  unavailable?: string | null | undefined;
  danger?: boolean;
  /** Begins a new group. */
  apart?: boolean;
}

interface OpenMenu {
  title: string;
  items: MenuItem[];
  x: number;
  y: number;
  from: Element | null;
}

const open = signal<OpenMenu | null>(null);

export function openMenu(title: string, items: MenuItem[], at: { x: number; y: number }): void {
  open.value = { title, items, ...at, from: document.activeElement };
}

/** Opens it below an element, as a button does. */
export function openMenuAt(title: string, items: MenuItem[], element: Element): void {
  const box = element.getBoundingClientRect();
  openMenu(title, items, { x: box.left, y: box.bottom + 4 });
}

function close(): void {
  const from = open.value?.from;
  open.value = null;
  if (from instanceof HTMLElement) from.focus();
}

/** Handlers that open a menu on right click, long press and the keyboard's menu key. */
export function menuTriggers(title: string, items: () => MenuItem[]) {
  let timer = 0;
  const cancel = () => clearTimeout(timer);
  return {
    onContextMenu: (event: MouseEvent) => {
      event.preventDefault();
      cancel();
      openMenu(title, items(), { x: event.clientX, y: event.clientY });
    },
    onTouchStart: (event: TouchEvent) => {
      const touch = event.touches[0];
      if (!touch) return;
      const at = { x: touch.clientX, y: touch.clientY };
      timer = window.setTimeout(() => openMenu(title, items(), at), 550);
    },
    onTouchEnd: cancel,
    onTouchMove: cancel,
    onTouchCancel: cancel,
  };
}

export function Menu() {
  const menu = open.value;
  const element = useRef<HTMLDivElement>(null);

  useLayoutEffect(() => {
    const box = element.current;
    if (!menu || !box) return;
    const { width, height } = box.getBoundingClientRect();
    box.style.left = `${Math.max(8, Math.min(menu.x, innerWidth - width - 8))}px`;
    box.style.top = `${Math.max(8, Math.min(menu.y, innerHeight - height - 8))}px`;
    box.querySelector<HTMLElement>('[role="menuitem"]')?.focus();
  }, [menu]);

  useEffect(() => {
    if (!menu) return;
    const outside = (event: Event) => {
      if (!element.current?.contains(event.target as Node)) open.value = null;
    };
    document.addEventListener("pointerdown", outside, true);
    window.addEventListener("resize", close);
    return () => {
      document.removeEventListener("pointerdown", outside, true);
      window.removeEventListener("resize", close);
    };
  }, [menu]);

  if (!menu) return null;

  const move = (event: KeyboardEvent) => {
    const items = [...(element.current?.querySelectorAll<HTMLElement>('[role="menuitem"]') ?? [])];
    const at = items.indexOf(document.activeElement as HTMLElement);
    const to = (index: number) => items[(index + items.length) % items.length]?.focus();
    if (event.key === "ArrowDown") to(at + 1);
    else if (event.key === "ArrowUp") to(at - 1);
    else if (event.key === "Home") to(0);
    else if (event.key === "End") to(-1);
    else if (event.key === "Escape" || event.key === "Tab") close();
    else if (event.key.length === 1) {
      const letter = event.key.toLowerCase();
      const after = [...items.slice(at + 1), ...items.slice(0, at + 1)];
      after
        .find((item) => (item.textContent ?? "").trim().toLowerCase().startsWith(letter))
        ?.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div
      class="menu"
      role="menu"
      aria-label={menu.title}
      ref={element}
      onKeyDown={move}
      tabIndex={-1}
    >
      {menu.items.map((item) => (
        <div key={item.label} role="none">
          {item.apart && <hr />}
          <button
            type="button"
            role="menuitem"
            tabIndex={-1}
            class={item.danger ? "danger" : ""}
            aria-disabled={item.unavailable ? "true" : undefined}
            onClick={() => {
              if (item.unavailable) return;
              close();
              item.run();
            }}
          >
            <Icon name={item.icon} />
            <span>{item.label}</span>
            {item.unavailable && <span class="why">{item.unavailable}</span>}
          </button>
        </div>
      ))}
    </div>
  );
}
