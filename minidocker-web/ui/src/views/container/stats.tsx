/** What it uses, as it goes on. */
import { useEffect, useState } from "preact/hooks";
import { type Problem, url } from "../../api/client.ts";
import { stream } from "../../api/stream.ts";
import type { Container, Stats } from "../../api/types.ts";
import { Button } from "../../components/button.tsx";
import { Chart } from "../../components/chart.tsx";
import { Empty, Notice } from "../../components/notice.tsx";
import { act, whyNot } from "../../lib/actions.tsx";
import { bytes, duration, micros, percent, plural } from "../../lib/format.ts";
import { isAlive } from "../../state.ts";
import { NetworkPanel } from "./network.tsx";

/** Five minutes of seconds. */
const KEPT = 300;

export function StatsTab({ container }: { container: Container }) {
  const { samples, problem } = useStats(container);
  const last = samples.at(-1);
  const alive = isAlive(container);

  if (problem) return <Notice problem={problem} />;
  if (!alive && samples.length < 2) {
    return (
      <div class="panel">
        <Empty title="Nothing to measure">
          <p>
            It does not run, so it uses no memory, no CPU time and no processes. Charts begin when
            it does.
          </p>
          <Button
            icon="play"
            kind="primary"
            unavailable={whyNot("start", container)}
            onClick={() => act("start", container)}
          >
            Start
          </Button>
        </Empty>
      </div>
    );
  }
  if (!last || samples.length < 2) return <p class="soft">Measuring: a rate needs two samples…</p>;

  const times = samples.map((one) => Date.parse(one.time) / 1000);
  const of = (pick: (one: Stats) => number | null) => samples.map(pick);
  const { memory, cpu, pids } = last;
  const rates = (pick: (one: Stats) => number | null) =>
    samples.map((one, i) => {
      const before = samples[i - 1];
      const now = pick(one);
      const then = before && pick(before);
      if (now == null || then == null || !before || now < then) return null;
      const passed = (Date.parse(one.time) - Date.parse(before.time)) / 1000;
      return passed > 0 ? (now - then) / passed : null;
    });

  return (
    <div class="stack">
      {!alive && (
        <div class="notice" role="status">
          It has ended; the charts show the time until then.
        </div>
      )}
      <div class="charts">
        <Chart
          title="CPU"
          summary={`${percent(cpu.percent)}${cpu.limit_percent ? ` of ${percent(cpu.limit_percent)}` : ", no limit"}`}
          format={(value) => percent(value)}
          atLeast={10}
          series={[
            { label: "used", colour: "--cpu" },
            ...(cpu.limit_percent ? [{ label: "limit", colour: "--error", limit: true }] : []),
          ]}
          data={[
            times,
            of((one) => one.cpu.percent),
            ...(cpu.limit_percent ? [of((one) => one.cpu.limit_percent)] : []),
          ]}
        />
        <Chart
          title="Memory"
          summary={`${bytes(memory.used_bytes)}${memory.limit_bytes ? ` of ${bytes(memory.limit_bytes)}` : ", no limit"}`}
          format={(value) => bytes(value)}
          binary
          atLeast={4 * 1024 * 1024}
          series={[
            { label: "used", colour: "--memory" },
            { label: "of this, programs", colour: "--third" },
            ...(memory.limit_bytes ? [{ label: "limit", colour: "--error", limit: true }] : []),
          ]}
          data={[
            times,
            of((one) => one.memory.used_bytes),
            of((one) => one.memory.anon_bytes),
            ...(memory.limit_bytes ? [of((one) => one.memory.limit_bytes)] : []),
          ]}
        />
        <Chart
          title="Processes and threads"
          summary={`${pids.current}${pids.limit ? ` of ${pids.limit} at most` : ""}`}
          format={(value) => (value == null ? "–" : String(Math.round(value)))}
          atLeast={4}
          series={[{ label: "now", colour: "--third" }]}
          data={[times, of((one) => one.pids.current)]}
        />
        {last.network && (
          <Chart
            title="Network"
            summary={`${bytes(last.network.rx_bytes)} received, ${bytes(last.network.tx_bytes)} sent`}
            format={(value) => (value == null ? "–" : `${bytes(value)}/s`)}
            binary
            atLeast={1024}
            series={[
              { label: "received", colour: "--memory" },
              { label: "sent", colour: "--cpu" },
            ]}
            data={[
              times,
              rates((one) => one.network?.rx_bytes ?? null),
              rates((one) => one.network?.tx_bytes ?? null),
            ]}
          />
        )}
        <Chart
          title="Disk"
          summary={`${bytes(last.block_io.read_bytes)} read, ${bytes(last.block_io.write_bytes)} written`}
          format={(value) => (value == null ? "–" : `${bytes(value)}/s`)}
          binary
          atLeast={1024}
          series={[
            { label: "read", colour: "--memory" },
            { label: "written", colour: "--cpu" },
          ]}
          data={[
            times,
            rates((one) => one.block_io.read_bytes),
            rates((one) => one.block_io.write_bytes),
          ]}
        />
      </div>
      <section class="panel">
        <header>
          <h2>In numbers</h2>
        </header>
        <dl class="facts body">
          <dt>CPU time</dt>
          <dd>
            {micros(cpu.total_micros)}: {micros(cpu.user_micros)} in programs,{" "}
            {micros(cpu.system_micros)} in the kernel
          </dd>
          <dt>Throttled</dt>
          <dd>
            {cpu.limit_percent
              ? `in ${cpu.throttled_periods} of ${plural(cpu.periods, "period")} of 100 ms it used up its share, and waited ${micros(cpu.throttled_micros)} in all`
              : "never: it has no CPU limit"}
          </dd>
          <dt>Memory peak</dt>
          <dd>
            {memory.peak_bytes === null ? "not told by this kernel" : bytes(memory.peak_bytes)}
          </dd>
          <dt>File cache</dt>
          <dd>{bytes(memory.file_bytes)}</dd>
          <dt>Kernel memory</dt>
          <dd>
            {memory.kernel_bytes === null ? "not told by this kernel" : bytes(memory.kernel_bytes)}
          </dd>
          <dt>Out of memory</dt>
          <dd>{last.oom_kills === 0 ? "never" : plural(last.oom_kills, "process", "processes")}</dd>
          <dt>Network</dt>
          <dd>
            {last.network
              ? `${bytes(last.network.rx_bytes)} received in ${plural(last.network.rx_packets, "packet")}, ${bytes(last.network.tx_bytes)} sent in ${last.network.tx_packets}`
              : "not counted: it shares the host's network"}
          </dd>
          <dt>Pressure</dt>
          <dd>
            {last.pressure
              ? `waited in the last 10 s: ${percent(last.pressure.cpu.some.avg10)} for a CPU, ${percent(last.pressure.memory.some.avg10)} for memory, ${percent(last.pressure.io.some.avg10)} for disks`
              : "not told by this kernel (version 1 cgroups)"}
          </dd>
          <dt>Uptime</dt>
          <dd>{duration(last.uptime_seconds)}</dd>
        </dl>
      </section>
      <NetworkPanel container={container} />
    </div>
  );
}

function useStats({ name, started_at, ...container }: Container) {
  const [samples, setSamples] = useState<Stats[]>([]);
  const [problem, setProblem] = useState<Problem | null>(null);
  const alive = isAlive({ name, ...container });

  useEffect(() => {
    if (!alive) return;
    setSamples([]);
    return stream(() => `${url("containers", name, "stats")}?follow=true`, {
      on: {
        message: (sample: Stats) => {
          setProblem(null);
          setSamples((before) => [...before.slice(1 - KEPT), sample]);
        },
        error: ({ error }: { error: Problem }) => setProblem(error),
      },
    });
  }, [name, started_at, alive]);

  return { samples, problem };
}
