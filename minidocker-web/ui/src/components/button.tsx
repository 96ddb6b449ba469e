/** Buttons. One that cannot be used now stays focusable and says why, instead of going dead. */
import type { ComponentChildren } from "preact";
import { Icon, type IconName } from "./icon.tsx";

export interface ButtonProps {
  children?: ComponentChildren;
  /** The words for a button that shows only its icon; also a longer name for others. */
  label?: string;
  icon?: IconName;
  kind?: "primary" | "danger" | "danger solid" | "quiet" | "";
  small?: boolean;
  /** Why it cannot be used now. */
  unavailable?: string | null | undefined;
  busy?: boolean;
  type?: "button" | "submit";
  pressed?: boolean;
  onClick?: (event: MouseEvent) => void;
}

export function Button(props: ButtonProps) {
  const { children, label, icon, kind = "", small, unavailable, busy, type = "button" } = props;
  const classes = ["button", kind, small && "small", !children && "icon"].filter(Boolean);
  const off = Boolean(unavailable) || Boolean(busy);
  return (
    <button
      type={type}
      class={classes.join(" ")}
      aria-label={label ? (unavailable ? `${label} (${unavailable})` : label) : undefined}
      aria-disabled={off ? "true" : undefined}
      aria-busy={busy ? "true" : undefined}
      aria-pressed={props.pressed}
      title={unavailable ?? label}
      onClick={(event) => {
        if (off) event.preventDefault();
        else props.onClick?.(event);
      }}
    >
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

export function LinkButton(props: {
  to: string;
  children?: ComponentChildren;
  icon?: IconName;
  label?: string;
  kind?: string;
  small?: boolean;
  download?: string;
  /** Whether it leads to another site, in a tab of its own. */
  apart?: boolean;
}) {
  const classes = ["button", props.kind, props.small && "small", !props.children && "icon"];
  return (
    <a
      class={classes.filter(Boolean).join(" ")}
      href={props.to}
      aria-label={props.label}
      title={props.label}
      download={props.download}
      {...(props.apart && { target: "_blank", rel: "noopener noreferrer" })}
    >
      {props.icon && <Icon name={props.icon} />}
      {props.children}
    </a>
  );
}
