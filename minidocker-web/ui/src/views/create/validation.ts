/** What is wrong with the form: what the page sees itself, and what the server says. */
import { useEffect, useRef, useState } from "preact/hooks";
import { api, type Problem } from "../../api/client.ts";
import type { FieldProblem } from "../../api/types.ts";
import { type Draft, draftProblems, specOf } from "../../lib/draft.ts";
import { freeName } from "../../lib/names.ts";
import { filled } from "./form-state.ts";

const PAUSE_MS = 250;

/** The fields beside which a problem can be shown. */
const FIELDS = [
  "name",
  "command",
  "mem_limit_mb",
  "cpu_limit_percent",
  "image",
  "pids_limit",
  "volumes",
  "env_vars",
  "network",
  "ports",
  "aliases",
  "dns",
  "extra_hosts",
  "hostname",
  "working_dir",
  "user",
  "restart",
  "health_check",
];

export function hasPlace(field: string | null | undefined): field is string {
  return field != null && FIELDS.includes(field);
}

/** Asks the server a moment after each change. */
export function useValidation(value: Draft, taken: boolean) {
  const [asked, setAsked] = useState<FieldProblem[]>([]);
  /** What only create could find. It holds until its field is changed. */
  const [refused, setRefused] = useState<FieldProblem[]>([]);
  const [touched, setTouched] = useState<Set<string>>(new Set());
  const [submitted, setSubmitted] = useState(false);
  const question = useRef(0);

  useEffect(() => {
    const mine = ++question.current;
    const timer = setTimeout(async () => {
      const answer = await problemsOf(value).catch(() => null);
      if (mine === question.current && answer) setAsked(answer);
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [value]);

  useEffect(() => {
    setTouched(new Set());
    setAsked([]);
    setRefused([]);
    setSubmitted(false);
  }, [filled.value]);

  const own = draftProblems(value, submitted);
  const name = value.name.trim();
  if (taken) {
    const hint = `${freeName(name)} is free.`;
    own.push({ field: "name", code: "name_in_use", message: `${name} exists already.`, hint });
  }
  // What the page says itself is said better, and once.
  const all = [...own, ...refused, ...asked];

  return {
    shown: (field: string) =>
      touched.has(field) || submitted ? all.find((one) => one.field === field) : undefined,
    touch: (field: string) => {
      setTouched((before) => (before.has(field) ? before : new Set(before).add(field)));
      setRefused((before) => before.filter((one) => one.field !== field));
    },
    /** All that is wrong with it, now that it is to be created; all of that is shown. */
    check: async (): Promise<FieldProblem[]> => {
      setSubmitted(true);
      setRefused([]);
      question.current += 1;
      const answer = await problemsOf(value);
      setAsked(answer);
      return [...draftProblems(value, true), ...(taken ? own.slice(-1) : []), ...answer];
    },
    refuse: ({ code, message, hint = "", field }: Problem) => {
      setRefused([{ code, message, hint, field: field ?? null }]);
    },
  };
}

/** What the server says of all that is filled in. */
async function problemsOf(value: Draft): Promise<FieldProblem[]> {
  const { name, command, ...rest } = specOf(value);
  const given = { ...rest, ...(name && { name }), ...(command && { command }) };
  const { problems } = await api.validate(given);
  // That a name or a command is missing is for the page to say.
  return problems.filter(
    ({ field }) => !(field === "name" && !name) && !(field === "command" && !command),
  );
}
