/** A field with its label, its hint and what the server says against its value. */
import type { ComponentChildren, JSX } from "preact";
import type { FieldProblem } from "../api/types.ts";
import { Button } from "./button.tsx";

export function Field(props: {
  id: string;
  label: string;
  hint?: ComponentChildren;
  problem?: FieldProblem | undefined;
  children: ComponentChildren;
}) {
  const { id, label, hint, problem, children } = props;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children}
      {problem && (
        <p class="problem" id={`${id}-problem`}>
          {said(problem)}
        </p>
      )}
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

/** What ties an input to its field for those who cannot see that they belong together. */
export function described(id: string, problem: FieldProblem | undefined, hint = false) {
  const ids = [problem && `${id}-problem`, hint && `${id}-hint`].filter(Boolean);
  return {
    id,
    "aria-invalid": problem ? ("true" as const) : undefined,
    "aria-describedby": ids.length ? ids.join(" ") : undefined,
  };
}

/** In the field itself its name need not be said again. */
function said({ field, message, hint }: FieldProblem): string {
  const plain = message.replace(`${field}: `, "");
  return `${plain}${/[.!?]$/.test(plain) ? "" : "."} ${hint}`;
}

export function TextField(props: {
  id: string;
  label: string;
  value: string;
  onChange: (value: string) => void;
  onBlur?: () => void;
  hint?: ComponentChildren;
  problem?: FieldProblem | undefined;
  mono?: boolean;
  placeholder?: string;
  list?: string;
  rows?: number;
}) {
  const { id, label, value, onChange, hint, problem, mono, placeholder, list, rows } = props;
  const shared = {
    ...described(id, problem, Boolean(hint)),
    class: mono ? "input mono" : "input",
    value,
    placeholder,
    spellcheck: false,
    autocomplete: "off",
    autocapitalize: "off" as const,
    onBlur: props.onBlur,
  };
  return (
    <Field id={id} label={label} hint={hint} problem={problem}>
      {rows ? (
        <textarea {...shared} rows={rows} onInput={(e) => onChange(e.currentTarget.value)} />
      ) : (
        <input {...shared} list={list} onInput={(e) => onChange(e.currentTarget.value)} />
      )}
    </Field>
  );
}

/** A list of lines, each its own input. */
export function Lines(props: {
  id: string;
  label: string;
  one: string;
  values: string[];
  onChange: (values: string[]) => void;
  hint: ComponentChildren;
  problem?: FieldProblem | undefined;
  placeholder: string;
}) {
  const { id, label, one, values, onChange, hint, problem, placeholder } = props;
  return (
    <fieldset class="field lines">
      <legend>{label}</legend>
      {values.map((value, index) => (
        <div class="row" key={index}>
          <input
            class="input mono grow"
            {...described(`${id}-${index}`, problem)}
            aria-label={`${one} ${index + 1}`}
            value={value}
            placeholder={placeholder}
            spellcheck={false}
            autocomplete="off"
            onInput={(event) => {
              onChange(values.map((old, i) => (i === index ? event.currentTarget.value : old)));
            }}
          />
          <Button
            icon="close"
            kind="quiet"
            label={`Remove ${one.toLowerCase()} ${index + 1}`}
            onClick={() => onChange(values.filter((_, i) => i !== index))}
          />
        </div>
      ))}
      <div>
        <Button icon="plus" small onClick={() => onChange([...values, ""])}>
          Add {one.toLowerCase()}
        </Button>
      </div>
      {problem && <p class="problem">{said(problem)}</p>}
      <p class="hint">{hint}</p>
    </fieldset>
  );
}

export function Check(props: {
  label: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
  hint?: ComponentChildren;
}): JSX.Element {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={props.checked}
        onChange={(event) => props.onChange(event.currentTarget.checked)}
      />
      <span>
        {props.label}
        {props.hint && <span class="hint soft small block">{props.hint}</span>}
      </span>
    </label>
  );
}
