//! What a container uses.

use utoipa::ToSchema;

use super::container::{HealthStatus, Status};
use super::network::Network;

#[derive(ToSchema)]
pub(in crate::api::openapi) struct Stats {
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
