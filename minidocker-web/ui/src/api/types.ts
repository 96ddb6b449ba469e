/** What the server sends and takes; see API.md. */

export type Status = "created" | "running" | "paused" | "restarting" | "stopped" | "error";

export interface Exit {
  code: number;
  signal: number | null;
  oom_killed: boolean;
  timed_out: boolean;
}

export interface Probe {
  started_at: string;
  finished_at: string;
  exit_code: number | null;
  output: string;
}

export interface Health {
  status: "starting" | "healthy" | "unhealthy";
  failing_streak: number;
  probes: Probe[];
}

export interface Usage {
  uptime_seconds: number | null;
  cpu_percent: number | null;
  memory_bytes: number;
  memory_limit_bytes: number | null;
  memory_percent: number;
  pids: number;
}

/** A port of the host, and the container's behind it. */
export interface PublishedPort {
  host_ip: string;
  host_port: number;
  container_port: number;
  protocol: "tcp" | "udp";
}

/** How a container is connected. */
export interface NetworkInfo {
  mode: string;
  networks: { name: string; ip_address: string; gateway: string; mac: string }[];
  ports: PublishedPort[];
  caveats?: string[];
}

/** A network that containers are plugged into. */
export interface Network {
  name: string;
  created_at: string | null;
  subnet: string | null;
  bridge: string | null;
  gateway: string | null;
  /** Those that are on it now. */
  containers: { names: string[]; id: string; ip_address: string }[];
}

/** A container. One whose files are damaged has only its name, status and reason. */
export interface Container {
  name: string;
  status: Status;
  reason?: string | null;
  id?: string;
  short_id?: string;
  command?: string;
  spec?: Spec;
  created_at?: string;
  started_at?: string | null;
  finished_at?: string | null;
  exit?: Exit | null;
  oom_kills?: number;
  pid?: number | null;
  starts?: number;
  restarts?: number;
  health?: Health | null;
  not_enforced?: string[];
  /** Whether the kernel keeps it apart from this machine; false in a simulation. */
  isolated?: boolean;
  rootfs?: string;
  network?: NetworkInfo;
  usage?: Usage | null;
}

export const ISOLATION = [
  "pid",
  "rootfs",
  "uts",
  "ipc",
  "network",
  "cgroup",
  "masked_paths",
  "capabilities",
  "no_new_privs",
  "seccomp",
] as const;

export type Feature = (typeof ISOLATION)[number];

export type Isolation = Record<Feature, boolean>;

export interface HealthCheck {
  command: string | string[];
  interval_seconds?: number;
  timeout_seconds?: number;
  retries?: number;
  start_period_seconds?: number;
  restart_unhealthy?: boolean;
}

export interface Rlimit {
  resource: string;
  soft: number;
  hard: number;
}

/** What a container is made from. */
export interface Spec {
  name: string;
  /** Left out for that of the image. */
  command?: string | string[];
  /** Executed before the command, in the place of the image's own; [] for nothing. */
  entrypoint?: string[];
  image?: string;
  mem_limit_mb?: number;
  cpu_limit_percent?: number;
  pids_limit?: number;
  volumes?: string[];
  env_vars?: Record<string, string>;
  ports?: string[];
  network?: string;
  aliases?: string[];
  dns?: string[];
  extra_hosts?: string[];
  hostname?: string;
  working_dir?: string;
  user?: string;
  rlimits?: Rlimit[];
  restart?: string;
  timeout_seconds?: number;
  stop_signal?: string;
  health_check?: HealthCheck | "none";
  stdin_open?: boolean;
  tty?: boolean;
  log_max_mb?: number;
  init?: boolean;
  best_effort_limits?: boolean;
  isolation?: Partial<Isolation>;
}

export interface Template {
  name: string;
  title: string;
  description: string;
  builtin: boolean;
  spec: Omit<Spec, "name">;
}

export type Actor = "supervisor" | "init" | "command";

export interface Step {
  id: string;
  actor: Actor;
  title: string;
  why: string;
  syscalls: string[];
  shell: string;
  /** What to mind before the command is typed. */
  caution?: string;
  manual: string;
  /** What the simulation does instead. */
  simulated?: string;
}

export interface Plan {
  steps: Step[];
}

export interface Call {
  call: string;
  errno?: string;
  micros: number;
}

export interface TracedStep {
  id: string;
  actor: Actor;
  title: string;
  outcome: "done" | "failed" | "not_reached";
  start_micros: number;
  micros: number;
  calls: Call[];
}

export interface Failure {
  step: string;
  call: string;
  message?: string;
  errno?: number;
  hint: string;
}

export interface Trace {
  id: string;
  started_at: string;
  micros: number;
  steps: TracedStep[];
  failure?: Failure;
}

export interface LogLine {
  time: string;
  stream: "stdout" | "stderr" | "system";
  text: string;
  full: boolean;
  not_utf8?: string[];
}

export interface Pressure {
  some: { avg10: number };
  full: { avg10: number };
}

export interface Stats {
  time: string;
  status: Status;
  started_at: string | null;
  uptime_seconds: number | null;
  restarts: number;
  health: string | null;
  oom_kills: number;
  memory: {
    used_bytes: number;
    current_bytes: number;
    peak_bytes: number | null;
    limit_bytes: number | null;
    machine_bytes: number;
    percent: number;
    anon_bytes: number;
    file_bytes: number;
    shmem_bytes: number;
    kernel_bytes: number | null;
  };
  cpu: {
    percent: number | null;
    total_micros: number;
    user_micros: number;
    system_micros: number;
    limit_percent: number | null;
    periods: number;
    throttled_periods: number;
    throttled_micros: number;
  };
  pids: { current: number; limit: number | null };
  block_io: { read_bytes: number; write_bytes: number };
  network: { rx_bytes: number; rx_packets: number; tx_bytes: number; tx_packets: number } | null;
  network_info: NetworkInfo;
  pressure: { cpu: Pressure; memory: Pressure; io: Pressure } | null;
}

export interface ExecOutput {
  stdout: string;
  stderr: string;
  exit_code: number;
  signal: number | null;
  oom_killed: boolean;
  timed_out: boolean;
  truncated: boolean;
  not_utf8?: string[];
}

export interface FileEntry {
  name: string;
  /** The bytes of the name, percent-encoded, if these are not UTF-8. */
  name_bytes?: string;
  kind: string;
  size: number;
  mode: number;
  uid: number;
  gid: number;
  modified: string;
  target?: string | null;
  not_utf8?: string[];
  mount?: "volume" | "host" | "system";
  change: "added" | "modified" | null;
}

export interface Listing {
  path: string;
  kind: string;
  entries: FileEntry[] | null;
  /** Whether the folder has more names than these. */
  truncated: boolean;
  deleted: string[];
  file?: FileEntry;
  not_utf8?: string[];
}

export interface Change {
  kind: "added" | "modified" | "deleted";
  path: string;
  not_utf8?: string[];
  /** The bytes of the path, percent-encoded, if these are not UTF-8. */
  path_bytes?: string;
}

export interface Namespace {
  kind: string;
  host: number;
  container: number;
  own: boolean;
  shows: string;
  manual: string;
}

export interface Process {
  host_pid: number;
  container_pid: number | null;
  parent_host_pid: number;
  command: string;
  state: string;
  uid: number;
  threads: number;
  memory_bytes: number;
  not_utf8?: string[];
}

export interface Mount {
  target: string;
  source: string;
  filesystem: string;
  options: string[];
  read_only: boolean;
  not_utf8?: string[];
}

export interface IdMap {
  inside: number;
  outside: number;
  count: number;
}

export interface Xray {
  running: boolean;
  why: string | null;
  pid: number | null;
  hostname: { host: string; container: string } | null;
  namespaces: Namespace[];
  processes: Process[];
  mounts: Mount[];
  host_mounts: number | null;
  cgroups: {
    controller: string;
    version: number;
    folder: string;
    files: { name: string; value: string }[];
  }[];
  capabilities: {
    host: string[];
    kept: string[];
    dropped: string[];
    effective: string[];
    permitted: string[];
    inheritable: string[];
    bounding: string[];
    ambient: string[];
  } | null;
  seccomp: { mode: number; name: string; filters: number | null; no_new_privs: boolean } | null;
  network: {
    own: boolean;
    interfaces: {
      name: string;
      index: number | null;
      mac: string | null;
      mtu: number | null;
      state: string | null;
      addresses: string[];
      rx_bytes: number;
      rx_packets: number;
      tx_bytes: number;
      tx_packets: number;
      peer: { name: string; index: number; bridge: string | null } | null;
    }[];
    routes: { to: string; via: string | null; interface: string }[];
    listening: { protocol: string; address: string; port: number }[];
    bridge: { name: string; mac: string | null; ports: string[] } | null;
    rules: { chain: string; rule: string }[] | null;
  } | null;
  uid_map: IdMap[];
  gid_map: IdMap[];
}

export interface Experiment {
  feature: Feature;
  title: string;
  question: string;
  command: string;
  look_for: string;
}

export interface Run {
  output: string;
  exit_code: number | null;
  signal: number | null;
  timed_out: boolean;
  truncated: boolean;
  error?: { code: string; message: string; hint: string } | null;
}

export interface ExperimentResult {
  feature: Feature;
  command: string;
  with: Run;
  without: Run;
}

export interface System {
  version: string;
  started_at: string;
  root: string;
  backend: { kind: string; why: string; unsupported: { feature: string; why: string }[] };
  kernel: { name: string; release: string; architecture: string; hostname: string };
  cores: number;
  memory_bytes: number;
  memory_available_bytes: number;
  load: number[];
  disk: { path: string; total_bytes: number; available_bytes: number };
  cgroup: { version: string; controllers: string[] };
  enforced: { limit: string; enforced: boolean; why: string }[];
  user: { uid: number; root: boolean };
  containers: Record<Status, number>;
  streams: { open: number; limit: number };
  doctor: {
    id: string;
    title: string;
    status: "ok" | "warning" | "problem";
    detail: string;
    command: string | null;
  }[];
}

export interface Disk {
  containers: {
    name: string;
    id: string;
    status: Status;
    changes_bytes: number;
    log_bytes: number;
    records_bytes: number;
  }[];
  images: { name: string; bytes: number; containers: number | string[] }[];
  containers_bytes: number;
  images_bytes: number;
  reclaimable_bytes: number;
}

export interface Image {
  name: string;
  id: string;
  source: "host" | "rootfs" | "docker" | "oci";
  reference?: string;
  architecture?: string;
  imported_at?: string;
  layers: { digest: string; bytes: number }[];
  config: {
    entrypoint: string[];
    command: string[];
    env: Record<string, string>;
    working_dir?: string;
    user?: string;
    stop_signal?: string;
    health_check?: HealthCheck;
  };
}

export interface Event {
  id: number;
  time: string;
  name: string;
  container?: string;
  event: string;
  failure?: Failure;
  command?: string;
  exit?: Exit;
  health?: string;
  kills?: number;
  restarts?: number;
}

export interface FieldProblem {
  field: string | null;
  code: string;
  message: string;
  hint: string;
}

export interface BulkResult {
  name: string;
  ok: boolean;
  status?: Status;
  error?: { code: string; message: string; hint: string };
}
