//! `/metrics`: for Prometheus (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::Write;

use actix_web::{HttpRequest, HttpResponse, web};
use minidocker_rt::Stats;

use super::{Answer, read, resource};
use crate::app::App;
use crate::error::ApiError;
use crate::query::Query;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/metrics", "GET, HEAD").route(read().to(metrics)));
}

async fn metrics(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    let shared = app.clone();
    let text = app.work.quick(move || write(&shared)).await?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text))
}

/// A figure of each living container.
struct Figure {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    of: fn(&Stats) -> Option<f64>,
}

const FIGURES: [Figure; 9] = [
    Figure {
        name: "minidocker_container_cpu_seconds_total",
        kind: "counter",
        help: "CPU time used in this run.",
        of: |stats| Some(stats.cpu.total_micros as f64 / 1e6),
    },
    Figure {
        name: "minidocker_container_cpu_throttled_seconds_total",
        kind: "counter",
        help: "How long it had to wait because of its CPU limit.",
        of: |stats| Some(stats.cpu.throttled_micros as f64 / 1e6),
    },
    Figure {
        name: "minidocker_container_memory_bytes",
        kind: "gauge",
        help: "Memory that it needs.",
        of: |stats| Some(stats.memory.used_bytes as f64),
    },
    Figure {
        name: "minidocker_container_memory_limit_bytes",
        kind: "gauge",
        help: "Its memory limit, if it has one.",
        of: |stats| stats.memory.limit_bytes.map(|bytes| bytes as f64),
    },
    Figure {
        name: "minidocker_container_oom_kills_total",
        kind: "counter",
        help: "Processes killed for lack of memory in this run.",
        of: |stats| Some(stats.oom_kills as f64),
    },
    Figure {
        name: "minidocker_container_pids",
        kind: "gauge",
        help: "Processes and threads.",
        of: |stats| Some(stats.pids.current as f64),
    },
    Figure {
        name: "minidocker_container_restarts_total",
        kind: "counter",
        help: "Starts by its restart policy since an operator last started it.",
        of: |stats| Some(stats.restarts as f64),
    },
    Figure {
        name: "minidocker_container_network_receive_bytes_total",
        kind: "counter",
        help: "Bytes received.",
        of: |stats| stats.network.map(|network| network.rx_bytes as f64),
    },
    Figure {
        name: "minidocker_container_network_transmit_bytes_total",
        kind: "counter",
        help: "Bytes sent.",
        of: |stats| stats.network.map(|network| network.tx_bytes as f64),
    },
];

fn write(app: &App) -> Result<String, ApiError> {
    let sample = app.live.sample()?;
    let mut stats: Vec<(&str, &Stats)> = sample.iter().collect();
    stats.sort_by_key(|(name, _)| *name);
    let mut text = String::new();
    let head = |text: &mut String, name: &str, kind: &str, help: &str| {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    };
    head(&mut text, "minidocker_info", "gauge", "The version of the server.");
    let _ = writeln!(text, "minidocker_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    head(&mut text, "minidocker_containers", "gauge", "Containers by state.");
    for (status, count) in app.live.count()? {
        let _ = writeln!(text, "minidocker_containers{{status=\"{status}\"}} {count}");
    }
    head(&mut text, "minidocker_streams", "gauge", "Open event streams and WebSockets.");
    let _ = writeln!(text, "minidocker_streams {}", app.streams.open());
    for Figure { name, kind, help, of } in FIGURES {
        head(&mut text, name, kind, help);
        // A container's name has no character that would need escaping.
        for (container, value) in stats.iter().filter_map(|(name, s)| Some((name, of(s)?))) {
            let _ = writeln!(text, "{name}{{name=\"{container}\"}} {value}");
        }
    }
    Ok(text)
}
