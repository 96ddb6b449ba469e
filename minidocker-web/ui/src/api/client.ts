/** Requests to the server. What goes wrong is a {@link Problem}: words for the user. */

import { beginningOf } from "../lib/beginning.ts";
import { encoded } from "../lib/raw-path.ts";
import type {
  BulkResult,
  Change,
  Container,
  Disk,
  Event,
  ExecOutput,
  Experiment,
  ExperimentResult,
  FieldProblem,
  Image,
  Listing,
  LogLine,
  Network,
  Plan,
  Spec,
  Stats,
  System,
  Template,
  Trace,
  Xray,
} from "./types.ts";

export interface Problem {
  code: string;
  message: string;
  hint?: string | undefined;
  field?: string | undefined;
  status: number;
}

export class ApiError extends Error implements Problem {
  readonly code: string;
  readonly hint: string | undefined;
  readonly field: string | undefined;
  readonly status: number;

  constructor(problem: Problem) {
    super(problem.message);
    this.code = problem.code;
    this.hint = problem.hint;
    this.field = problem.field;
    this.status = problem.status;
  }
}

export function problemOf(error: unknown): Problem {
  if (error instanceof ApiError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return { code: "page", message, status: 0 };
}

export function url(...path: string[]): string {
  return `/api/${path.map(encodeURIComponent).join("/")}`;
}

type Query = Record<string, string | number | boolean | undefined>;

function withQuery(address: string, query: Query): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined);
  if (pairs.length === 0) return address;
  return `${address}?${pairs.map(([key, value]) => `${key}=${encoded(String(value))}`).join("&")}`;
}

async function ask(method: string, address: string, body?: BodyInit, type?: string) {
  const init: RequestInit = { method };
  if (body !== undefined) {
    init.body = body;
    init.headers = { "Content-Type": type ?? "application/json" };
  }
  let response: Response;
  try {
    response = await fetch(address, init);
  } catch {
    throw new ApiError({
      code: "unreachable",
      message: "The server does not answer.",
      hint: "Is minidocker-web still running? This page reconnects by itself.",
      status: 0,
    });
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response: Response): Promise<ApiError> {
  const status = response.status;
  try {
    const { error } = await response.json();
    return new ApiError({ ...error, status });
  } catch {
    const message = `The server answered ${status} ${response.statusText}`.trim();
    return new ApiError({ code: "unreadable", message, status });
  }
}

async function get<T>(address: string, query: Query = {}): Promise<T> {
  return (await ask("GET", withQuery(address, query))).json();
}

async function post<T>(address: string, body?: unknown, query: Query = {}): Promise<T> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return (await ask("POST", withQuery(address, query), text)).json();
}

const one = (name: string, ...rest: string[]) => url("containers", name, ...rest);

export const api = {
  create: (spec: Spec) => post<Container>(url("containers"), spec),
  validate: (spec: Partial<Spec>) =>
    post<{ valid: boolean; problems: FieldProblem[] }>(url("containers", "validate"), spec),
  importConfig: (config: unknown, name?: string) =>
    post<Container>(url("containers", "import"), config, { name }),
  bulk: (action: string, names: string[], options: { force?: boolean } = {}) =>
    post<{ results: BulkResult[] }>(url("containers", "bulk"), { action, names, ...options }),

  inspect: (name: string) => get<Container>(one(name)),
  remove: (name: string, force: boolean) =>
    ask("DELETE", withQuery(one(name), { force: force || undefined })),
  act: (name: string, action: "start" | "stop" | "restart" | "pause" | "resume") =>
    post<Container>(one(name, action)),
  kill: (name: string, signal: string) => post<Container>(one(name, "kill"), undefined, { signal }),
  logs: (name: string, tail: number) =>
    get<{ lines: LogLine[]; empty: string | null }>(one(name, "logs"), { format: "json", tail }),
  logsText: async (name: string) =>
    (await ask("GET", withQuery(one(name, "logs"), { timestamps: true }))).text(),
  stats: (name: string) => get<Stats>(one(name, "stats"), { window: 0 }),
  exec: (name: string, command: string) => post<ExecOutput>(one(name, "exec"), { command }),
  plan: (name: string) => get<Plan>(one(name, "plan")),
  trace: (name: string) => get<Trace>(one(name, "trace")),
  xray: (name: string) => get<Xray>(one(name, "xray")),
  diff: (name: string, limit: number) => get<Change[]>(one(name, "diff"), { limit }),
  exportText: async (name: string) => (await ask("GET", one(name, "export"))).text(),

  files: (name: string, path: string, limit: number) =>
    get<Listing>(one(name, "files"), { path, limit }),
  /** Up to so many bytes of a file. */
  content: async (name: string, path: string, most: number) =>
    beginningOf((await ask("GET", withQuery(one(name, "files", "content"), { path }))).body, most),
  contentUrl: (name: string, path: string) => withQuery(one(name, "files", "content"), { path }),
  upload: (name: string, path: string, bytes: BodyInit) =>
    ask(
      "PUT",
      withQuery(one(name, "files", "content"), { path }),
      bytes,
      "application/octet-stream",
    ),
  folder: (name: string, path: string) =>
    ask("PUT", withQuery(one(name, "files", "folder"), { path })),
  removeFile: (name: string, path: string) =>
    ask("DELETE", withQuery(one(name, "files"), { path })),

  session: () => get<{ uid: number | null; by: string }>(url("session")),
  system: () => get<System>(url("system")),
  disk: () => get<Disk>(url("disk")),
  prune: () =>
    post<{
      containers: string[];
      reclaimed_bytes: number;
      failed?: { name: string; why: string }[];
    }>(url("prune")),
  templates: () => get<Template[]>(url("templates")),
  saveTemplate: (template: Omit<Template, "builtin">) => post<Template>(url("templates"), template),
  removeTemplate: (name: string) => ask("DELETE", url("templates", name)),
  images: () => get<Image[]>(url("images")),
  importImage: (name: string, tar: BodyInit) =>
    ask("POST", withQuery(url("images"), { name }), tar, "application/x-tar"),
  removeImage: (name: string) => ask("DELETE", url("images", name)),
  networks: () => get<Network[]>(url("networks")),
  createNetwork: (network: { name: string; subnet?: string }) =>
    post<Network>(url("networks"), network),
  removeNetwork: (name: string) => ask("DELETE", url("networks", name)),
  experiments: () => get<Experiment[]>(url("experiments")),
  experiment: (feature: string, command: string) =>
    post<ExperimentResult>(url("experiments"), { feature, command }),
  events: () => get<Event[]>(url("events"), { follow: false }),
};
