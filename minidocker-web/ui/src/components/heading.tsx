import type { ComponentChildren } from "preact";

/** The heading of a view, with what one can do there. */
export function Heading(props: {
  title: ComponentChildren;
  about?: ComponentChildren;
  children?: ComponentChildren;
}) {
  return (
    <header class="heading">
      <div class="grow">
        <h1>{props.title}</h1>
        {props.about && <p class="soft">{props.about}</p>}
      </div>
      {props.children && <div class="row">{props.children}</div>}
    </header>
  );
}
