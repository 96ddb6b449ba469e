/** Questions that need an answer before anything happens. */
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Problem, problemOf } from "../api/client.ts";
import { Button } from "./button.tsx";
import { Notice } from "./notice.tsx";

interface Question {
  title: string;
  body: ComponentChildren;
  action: string;
  danger?: boolean;
  /** Throws to keep the dialog open and show why. */
  run: (form: FormData) => Promise<void> | void;
}

const asked = signal<Question | null>(null);

/** Asks; what the form inside holds is given to `run`. */
export function ask(question: Question): void {
  asked.value = question;
}

export function Dialog() {
  const question = asked.value;
  const element = useRef<HTMLDialogElement>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);

  useEffect(() => {
    setProblem(null);
    setBusy(false);
    if (question) element.current?.showModal();
  }, [question]);

  if (!question) return null;

  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      await question.run(new FormData(event.currentTarget as HTMLFormElement));
      if (asked.value === question) element.current?.close();
    } catch (error) {
      setProblem(problemOf(error));
      setBusy(false);
    }
  };

  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a click beside it closes it, as Escape does
    <dialog
      ref={element}
      aria-labelledby="dialog-title"
      onClose={() => {
        if (asked.value === question) asked.value = null;
      }}
      onClick={(event) => {
        if (event.target === element.current) element.current?.close();
      }}
    >
      <form onSubmit={submit}>
        <h2 id="dialog-title">{question.title}</h2>
        <div class="stack">{question.body}</div>
        {problem && <Notice problem={problem} />}
        <footer>
          <Button onClick={() => element.current?.close()}>Cancel</Button>
          <Button type="submit" kind={question.danger ? "danger solid" : "primary"} busy={busy}>
            {question.action}
          </Button>
        </footer>
      </form>
    </dialog>
  );
}
