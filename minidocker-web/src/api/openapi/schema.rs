//! The form of what is sent and answered. The library's own types know nothing of OpenAPI, so
//! their JSON is described here; `scripts/test-api` compares it with what the server sends.

#![expect(dead_code, reason = "they describe JSON; nobody makes them")]

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

mod network;

use network::{Network, XrayNetwork};
pub(super) use network::{NetworkOfContainers, NewNetwork};

/// What every refusal is.
#[derive(ToSchema)]
pub(super) struct Refusal {
    error: Problem,
}

#[derive(ToSchema)]
pub(super) struct Problem {
    /// A stable word for the kind of problem.
    code: String,
    /// One sentence.
    message: String,
    /// What to do about it.
    hint: String,
    /// The field or parameter at fault.
    #[schema(nullable = false)]
    field: Option<String>,
}

#[derive(ToSchema)]
pub(super) struct Health {
    status: String,
    version: String,
}

#[derive(ToSchema)]
pub(super) struct Session {
    #[schema(required)]
    uid: Option<u32>,
    by: By,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum By {
    User,
    Token,
}

#[derive(Serialize, ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum Status {
    Created,
    Running,
    Paused,
    Restarting,
    Stopped,
    Error,
}

/// A command line, or its exact words.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Command {
    Line(String),
    Words(Vec<String>),
}

/// What a container is made from. All but name and command are optional.
#[derive(Serialize, ToSchema)]
pub(super) struct Spec {
    #[schema(pattern = "^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$")]
    name: String,
    command: Command,
    #[schema(nullable = false)]
    image: Option<String>,
    mem_limit_mb: Option<u64>,
    cpu_limit_percent: Option<u32>,
    /// -1 is no limit.
    pids_limit: Option<i64>,
    #[schema(nullable = false)]
    volumes: Option<Vec<String>>,
    #[schema(nullable = false)]
    env_vars: Option<BTreeMap<String, String>>,
    /// As 8080:80, 127.0.0.1:8080:80/tcp, 53:53/udp, 80 or 8000-8010:8000-8010. Without an
    /// address only this machine reaches them.
    #[schema(nullable = false)]
    ports: Option<Vec<String>>,
    /// bridge (the default), none, host, container:NAME, or the name of a network.
    #[schema(nullable = false)]
    network: Option<String>,
    /// More names by which the containers of its network find it.
    #[schema(nullable = false)]
    aliases: Option<Vec<String>>,
    /// Addresses of name servers.
    #[schema(nullable = false)]
    dns: Option<Vec<String>>,
    /// Lines of its /etc/hosts, as db:10.0.0.7.
    #[schema(nullable = false)]
    extra_hosts: Option<Vec<String>>,
    #[schema(nullable = false)]
    hostname: Option<String>,
    #[schema(nullable = false)]
    working_dir: Option<String>,
    #[schema(nullable = false)]
    user: Option<String>,
    #[schema(nullable = false)]
    rlimits: Option<Vec<Rlimit>>,
    #[schema(nullable = false)]
    restart: Option<String>,
    #[schema(nullable = false)]
    health_check: Option<HealthCheck>,
    #[schema(nullable = false)]
    stdin_open: Option<bool>,
    #[schema(nullable = false)]
    tty: Option<bool>,
    #[schema(nullable = false)]
    init: Option<bool>,
    #[schema(nullable = false)]
    best_effort_limits: Option<bool>,
    #[schema(nullable = false)]
    isolation: Option<Isolation>,
}

#[derive(Serialize, ToSchema)]
struct Rlimit {
    resource: RlimitResource,
    soft: u64,
    hard: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(rename_all = "lowercase")]
enum RlimitResource {
    As,
    Core,
    Cpu,
    Fsize,
    Memlock,
    Nofile,
    Nproc,
    Stack,
}

#[derive(Serialize, ToSchema)]
struct HealthCheck {
    command: Command,
    #[schema(nullable = false)]
    interval_seconds: Option<f64>,
    #[schema(nullable = false)]
    timeout_seconds: Option<f64>,
    #[schema(nullable = false, minimum = 1)]
    retries: Option<u32>,
    #[schema(nullable = false)]
    start_period_seconds: Option<f64>,
    #[schema(nullable = false)]
    restart_unhealthy: Option<bool>,
}

/// Each is on unless switched off.
#[derive(Serialize, ToSchema)]
struct Isolation {
    #[schema(nullable = false)]
    pid: Option<bool>,
    #[schema(nullable = false)]
    rootfs: Option<bool>,
    #[schema(nullable = false)]
    uts: Option<bool>,
    #[schema(nullable = false)]
    ipc: Option<bool>,
    #[schema(nullable = false)]
    network: Option<bool>,
    #[schema(nullable = false)]
    cgroup: Option<bool>,
    #[schema(nullable = false)]
    masked_paths: Option<bool>,
    #[schema(nullable = false)]
    capabilities: Option<bool>,
    #[schema(nullable = false)]
    no_new_privs: Option<bool>,
    #[schema(nullable = false)]
    seccomp: Option<bool>,
}

/// A specification, perhaps an unfinished one.
#[derive(ToSchema)]
#[schema(value_type = Object)]
pub(super) struct AnyObject(serde_json::Map<String, serde_json::Value>);

#[derive(ToSchema)]
pub(super) struct Validation {
    valid: bool,
    problems: Vec<Problem>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Exit {
    /// 128+N for a death by signal N.
    code: i32,
    #[schema(required)]
    signal: Option<i32>,
    oom_killed: bool,
}

/// A container of the list; one whose files are damaged has a name, a status and a reason.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Listed {
    Whole(Box<Container>),
    Damaged(Damaged),
}

#[derive(Serialize, ToSchema)]
pub(super) struct Damaged {
    name: String,
    status: Status,
    reason: String,
    #[schema(required)]
    usage: Option<Usage>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Container {
    #[schema(min_length = 64, max_length = 64)]
    id: String,
    #[schema(min_length = 12, max_length = 12)]
    short_id: String,
    name: String,
    status: Status,
    #[schema(nullable = false)]
    reason: Option<String>,
    /// As one would type it.
    command: String,
    spec: Spec,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(required, format = DateTime)]
    started_at: Option<String>,
    #[schema(required, format = DateTime)]
    finished_at: Option<String>,
    #[schema(required)]
    exit: Option<Exit>,
    oom_kills: u64,
    #[schema(required)]
    pid: Option<i32>,
    starts: u64,
    restarts: u64,
    #[schema(nullable = false)]
    health: Option<HealthReport>,
    not_enforced: Vec<String>,
    rootfs: String,
    network: Network,
    #[schema(required)]
    usage: Option<Usage>,
}

#[derive(Serialize, ToSchema)]
struct HealthReport {
    status: HealthStatus,
    failing_streak: u32,
    probes: Vec<Probe>,
}

#[derive(Serialize, ToSchema)]
#[schema(rename_all = "lowercase")]
enum HealthStatus {
    Starting,
    Healthy,
    Unhealthy,
}

#[derive(Serialize, ToSchema)]
struct Probe {
    #[schema(format = DateTime)]
    started_at: String,
    #[schema(format = DateTime)]
    finished_at: String,
    #[schema(required)]
    exit_code: Option<i32>,
    output: String,
}

#[derive(Serialize, ToSchema)]
struct Usage {
    #[schema(required)]
    uptime_seconds: Option<f64>,
    #[schema(required)]
    cpu_percent: Option<f64>,
    memory_bytes: u64,
    #[schema(required)]
    memory_limit_bytes: Option<u64>,
    memory_percent: f64,
    pids: u64,
}

#[derive(ToSchema)]
pub(super) struct Bulk {
    action: Action,
    #[schema(min_items = 1, max_items = 200)]
    names: Vec<String>,
    /// Of stop and restart, in seconds.
    #[schema(maximum = 3600)]
    timeout: Option<u64>,
    /// Of kill.
    signal: Option<String>,
    /// Of delete.
    #[schema(nullable = false)]
    force: Option<bool>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Action {
    Start,
    Stop,
    Restart,
    Pause,
    Resume,
    Kill,
    Delete,
}

#[derive(ToSchema)]
pub(super) struct BulkResults {
    results: Vec<BulkResult>,
}

#[derive(ToSchema)]
struct BulkResult {
    name: String,
    ok: bool,
    /// What it is then; null if it is deleted.
    status: Option<Status>,
    #[schema(nullable = false)]
    error: Option<Problem>,
}

#[derive(ToSchema)]
pub(super) struct Log {
    lines: Vec<Line>,
    /// Why there is no line.
    #[schema(required)]
    empty: Option<String>,
}

#[derive(ToSchema)]
struct Line {
    #[schema(format = DateTime)]
    time: String,
    stream: LineStream,
    text: String,
    full: bool,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum LineStream {
    Stdout,
    Stderr,
    System,
}

#[derive(ToSchema)]
pub(super) struct Stats {
    #[schema(format = DateTime)]
    time: String,
    status: Status,
    #[schema(required, format = DateTime)]
    started_at: Option<String>,
    #[schema(required)]
    uptime_seconds: Option<f64>,
    restarts: u64,
    #[schema(required)]
    health: Option<HealthStatus>,
    oom_kills: u64,
    memory: MemoryStats,
    cpu: CpuStats,
    pids: PidsStats,
    block_io: BlockIoStats,
    #[schema(required)]
    network: Option<NetworkStats>,
    network_info: Network,
    #[schema(required)]
    pressure: Option<PressureStats>,
}

#[derive(ToSchema)]
struct MemoryStats {
    used_bytes: u64,
    current_bytes: u64,
    #[schema(required)]
    peak_bytes: Option<u64>,
    #[schema(required)]
    limit_bytes: Option<u64>,
    machine_bytes: u64,
    percent: f64,
    anon_bytes: u64,
    file_bytes: u64,
    shmem_bytes: u64,
    #[schema(required)]
    kernel_bytes: Option<u64>,
}

#[derive(ToSchema)]
struct CpuStats {
    #[schema(required)]
    percent: Option<f64>,
    total_micros: u64,
    user_micros: u64,
    system_micros: u64,
    #[schema(required)]
    limit_percent: Option<f64>,
    periods: u64,
    throttled_periods: u64,
    throttled_micros: u64,
}

#[derive(ToSchema)]
struct PidsStats {
    current: u64,
    #[schema(required)]
    limit: Option<u64>,
}

#[derive(ToSchema)]
struct BlockIoStats {
    read_bytes: u64,
    write_bytes: u64,
}

#[derive(ToSchema)]
struct NetworkStats {
    rx_bytes: u64,
    rx_packets: u64,
    tx_bytes: u64,
    tx_packets: u64,
}

#[derive(ToSchema)]
struct PressureStats {
    cpu: Pressure,
    memory: Pressure,
    io: Pressure,
}

#[derive(ToSchema)]
struct Pressure {
    some: Stall,
    full: Stall,
}

#[derive(ToSchema)]
struct Stall {
    avg10: f64,
    avg60: f64,
    avg300: f64,
    total_micros: u64,
}

#[derive(ToSchema)]
pub(super) struct Plan {
    steps: Vec<Step>,
}

#[derive(ToSchema)]
struct Step {
    id: String,
    actor: Actor,
    title: String,
    why: String,
    syscalls: Vec<String>,
    shell: String,
    manual: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Actor {
    Supervisor,
    Init,
    Command,
}

#[derive(ToSchema)]
pub(super) struct Trace {
    id: String,
    #[schema(format = DateTime)]
    started_at: String,
    micros: f64,
    steps: Vec<TracedStep>,
    #[schema(nullable = false)]
    failure: Option<StepFailure>,
}

#[derive(ToSchema)]
struct TracedStep {
    id: String,
    actor: Actor,
    title: String,
    outcome: Outcome,
    start_micros: f64,
    micros: f64,
    calls: Vec<Call>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Outcome {
    Done,
    Failed,
    NotReached,
}

#[derive(ToSchema)]
struct Call {
    call: String,
    #[schema(nullable = false)]
    errno: Option<String>,
    micros: f64,
}

#[derive(ToSchema)]
struct StepFailure {
    step: String,
    call: String,
    #[schema(nullable = false)]
    message: Option<String>,
    #[schema(nullable = false)]
    errno: Option<i32>,
    hint: String,
}

#[derive(ToSchema)]
pub(super) struct Xray {
    running: bool,
    #[schema(required)]
    why: Option<String>,
    #[schema(required)]
    pid: Option<i32>,
    #[schema(required)]
    hostname: Option<XrayHostname>,
    namespaces: Vec<Namespace>,
    processes: Vec<Process>,
    mounts: Vec<Mount>,
    host_mounts: u64,
    cgroups: Vec<Cgroup>,
    #[schema(required)]
    capabilities: Option<Capabilities>,
    #[schema(required)]
    seccomp: Option<Seccomp>,
    #[schema(required)]
    network: Option<XrayNetwork>,
    uid_map: Vec<IdRange>,
    gid_map: Vec<IdRange>,
}

#[derive(ToSchema)]
struct XrayHostname {
    host: String,
    container: String,
}

#[derive(ToSchema)]
struct Namespace {
    kind: String,
    #[schema(required)]
    host: Option<u64>,
    #[schema(required)]
    container: Option<u64>,
    own: bool,
    shows: String,
    manual: String,
}

#[derive(ToSchema)]
struct Process {
    host_pid: i32,
    container_pid: i32,
    parent_host_pid: i32,
    command: String,
    state: String,
    uid: u32,
    threads: u32,
    memory_bytes: u64,
}

#[derive(ToSchema)]
struct Mount {
    target: String,
    source: String,
    filesystem: String,
    options: Vec<String>,
    read_only: bool,
}

#[derive(ToSchema)]
struct Cgroup {
    controller: String,
    version: u8,
    folder: String,
    files: Vec<ControlFile>,
}

#[derive(ToSchema)]
struct ControlFile {
    name: String,
    value: String,
}

#[derive(ToSchema)]
struct Capabilities {
    host: Vec<String>,
    kept: Vec<String>,
    dropped: Vec<String>,
    effective: Vec<String>,
    permitted: Vec<String>,
    inheritable: Vec<String>,
    bounding: Vec<String>,
    ambient: Vec<String>,
}

#[derive(ToSchema)]
struct Seccomp {
    mode: u32,
    name: String,
    filters: u32,
    no_new_privs: bool,
}

#[derive(ToSchema)]
struct IdRange {
    inside: u32,
    outside: u32,
    count: u32,
}

#[derive(ToSchema)]
pub(super) struct Change {
    kind: ChangeKind,
    path: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum ChangeKind {
    Added,
    Modified,
    Deleted,
}

/// The manual's fields are always there; others only where they are not the default.
#[derive(ToSchema)]
pub(super) struct ExportedConfig {
    name: String,
    command: String,
    #[schema(required)]
    mem_limit_mb: Option<u64>,
    #[schema(required)]
    cpu_limit_percent: Option<u32>,
    volumes: Vec<String>,
    env_vars: BTreeMap<String, String>,
    exported_at: String,
}

#[derive(ToSchema)]
pub(super) struct ExecRequest {
    command: Command,
    /// In seconds; 60 unless given.
    #[schema(minimum = 0.001, maximum = 3600)]
    timeout: Option<f64>,
    #[schema(nullable = false)]
    env: Option<BTreeMap<String, String>>,
    user: Option<String>,
    working_dir: Option<String>,
    stdin: Option<String>,
}

#[derive(ToSchema)]
pub(super) struct ExecOutput {
    stdout: String,
    stderr: String,
    exit_code: i32,
    #[schema(required)]
    signal: Option<i32>,
    oom_killed: bool,
    timed_out: bool,
    truncated: bool,
}

#[derive(ToSchema)]
pub(super) struct Place {
    path: String,
    kind: FileKind,
    #[schema(required)]
    entries: Option<Vec<FileEntry>>,
    deleted: Vec<String>,
    #[schema(nullable = false)]
    file: Option<FileEntry>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum FileKind {
    File,
    Directory,
    Symlink,
    Fifo,
    Socket,
    CharacterDevice,
    BlockDevice,
}

#[derive(ToSchema)]
struct FileEntry {
    name: String,
    kind: FileKind,
    size: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    #[schema(format = DateTime)]
    modified: String,
    #[schema(nullable = false)]
    target: Option<String>,
    #[schema(required)]
    change: Option<ChangeKind>,
}

#[derive(ToSchema)]
pub(super) struct ArchiveSummary {
    bytes: u64,
    entries: u64,
}

#[derive(ToSchema)]
pub(super) struct Template {
    name: String,
    title: String,
    description: String,
    builtin: bool,
    /// A specification without its name.
    #[schema(value_type = Object)]
    spec: serde_json::Value,
}

#[derive(ToSchema)]
pub(super) struct NewTemplate {
    #[schema(pattern = "^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$")]
    name: String,
    title: Option<String>,
    #[schema(nullable = false)]
    description: Option<String>,
    /// Taken and not heeded: only those that come with the program are built in.
    #[schema(nullable = false)]
    builtin: Option<bool>,
    /// A specification without its name.
    #[schema(value_type = Object)]
    spec: serde_json::Value,
}

#[derive(ToSchema)]
pub(super) struct Image {
    name: String,
    id: String,
    source: ImageSource,
    #[schema(nullable = false)]
    reference: Option<String>,
    #[schema(nullable = false)]
    architecture: Option<String>,
    #[schema(nullable = false, format = DateTime)]
    imported_at: Option<String>,
    layers: Vec<ImageLayer>,
    #[schema(value_type = Object)]
    config: serde_json::Value,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum ImageSource {
    Host,
    Rootfs,
    Docker,
    Oci,
}

#[derive(ToSchema)]
struct ImageLayer {
    digest: String,
    bytes: u64,
}

#[derive(ToSchema)]
pub(super) struct Event {
    id: u64,
    #[schema(format = DateTime)]
    time: String,
    name: String,
    #[schema(nullable = false)]
    container: Option<String>,
    event: String,
}

#[derive(ToSchema)]
pub(super) struct DiskUsage {
    containers: Vec<ContainerUsage>,
    images: Vec<ImageUsage>,
    containers_bytes: u64,
    images_bytes: u64,
    reclaimable_bytes: u64,
}

#[derive(ToSchema)]
struct ContainerUsage {
    name: String,
    id: String,
    status: Status,
    changes_bytes: u64,
    log_bytes: u64,
    records_bytes: u64,
}

#[derive(ToSchema)]
struct ImageUsage {
    name: String,
    bytes: u64,
    containers: u64,
}

#[derive(ToSchema)]
pub(super) struct Pruned {
    containers: Vec<String>,
    reclaimed_bytes: u64,
    #[schema(nullable = false)]
    failed: Option<Vec<NotPruned>>,
}

#[derive(ToSchema)]
struct NotPruned {
    name: String,
    why: String,
}

#[derive(ToSchema)]
pub(super) struct Experiment {
    feature: String,
    title: String,
    question: String,
    command: String,
    look_for: String,
}

#[derive(ToSchema)]
pub(super) struct ExperimentRequest {
    feature: Feature,
    command: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Feature {
    Pid,
    Rootfs,
    Uts,
    Ipc,
    Network,
    Cgroup,
    MaskedPaths,
    Capabilities,
    NoNewPrivs,
    Seccomp,
}

#[derive(ToSchema)]
pub(super) struct ExperimentResult {
    feature: Feature,
    command: String,
    with: ExperimentRun,
    without: ExperimentRun,
}

#[derive(ToSchema)]
struct ExperimentRun {
    output: String,
    #[schema(required)]
    exit_code: Option<i32>,
    #[schema(required)]
    signal: Option<i32>,
    timed_out: bool,
    truncated: bool,
    #[schema(nullable = false)]
    error: Option<Problem>,
}

#[derive(ToSchema)]
pub(super) struct System {
    version: String,
    #[schema(format = DateTime)]
    started_at: String,
    root: String,
    backend: Backend,
    kernel: Kernel,
    cores: u32,
    memory_bytes: u64,
    memory_available_bytes: u64,
    load: Vec<f64>,
    disk: Disk,
    cgroup: CgroupVersion,
    user: ServerUser,
    enforced: Vec<Enforced>,
    containers: BTreeMap<String, u64>,
    streams: OpenStreams,
    doctor: Vec<Check>,
}

#[derive(ToSchema)]
struct Backend {
    kind: String,
    why: String,
    unsupported: Vec<Unsupported>,
}

#[derive(ToSchema)]
struct Unsupported {
    feature: String,
    why: String,
}

#[derive(ToSchema)]
struct Kernel {
    name: String,
    release: String,
    architecture: String,
    hostname: String,
}

#[derive(ToSchema)]
struct Disk {
    path: String,
    total_bytes: u64,
    available_bytes: u64,
}

#[derive(ToSchema)]
struct CgroupVersion {
    version: String,
    controllers: Vec<String>,
}

#[derive(ToSchema)]
struct ServerUser {
    uid: u32,
    root: bool,
}

#[derive(ToSchema)]
struct Enforced {
    limit: String,
    enforced: bool,
    why: String,
}

#[derive(ToSchema)]
struct OpenStreams {
    open: u64,
    limit: u64,
}

#[derive(ToSchema)]
struct Check {
    id: String,
    title: String,
    status: Verdict,
    detail: String,
    #[schema(required)]
    command: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warning,
    Problem,
}
