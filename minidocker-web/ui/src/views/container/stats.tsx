/** What the container uses, and what it used until its end. */
import type { Container, Stats } from "../../api/types.ts";
import { Button } from "../../components/button.tsx";
import { Chart } from "../../components/chart.tsx";
import { Empty, Notice } from "../../components/notice.tsx";
import { act, whyNot } from "../../lib/actions.tsx";
import { bytes, duration, exact, micros, percent, plural } from "../../lib/format.ts";
import { historyOf, ratesOf, timesOf, withGaps } from "../../lib/stats-history.ts";
import { isAlive } from "../../state.ts";
import { NetworkPanel } from "./network.tsx";

export function StatsTab({ container }: { container: Container }) {
  const { samples: measured, problem } = historyOf(container.id);
  const last = measured.at(-1);
  const alive = isAlive(container);

  if (problem && alive) return <Notice problem={problem} />;
  if (!last) return alive ? <p class="soft">Measuring…</p> : <NotMeasured container={container} />;

  const samples = withGaps(measured);
  const times = timesOf(samples);
  const of = (pick: (one: Stats) => number | null) => samples.map((one) => one && pick(one));
  const rates = (pick: (one: Stats) => number | null) => ratesOf(samples, pick);
  const { memory, cpu, pids } = last;
  const peak = Math.max(
    ...measured.map((one) => Math.max(one.memory.used_bytes, one.memory.peak_bytes ?? 0)),
  );

  return (
    <div class="stack">
      {!alive && (
        <div class="notice" role="status">
          <strong>The container has ended. The charts show the time until then.</strong>
          <span>
            Memory peak {bytes(peak)}
            {memory.limit_bytes ? ` of ${bytes(memory.limit_bytes)}` : ""}; last measured{" "}
            {exact(last.time)}.
            {container.exit?.oom_killed &&
              " The limit was reached between two measurements, and the kernel killed the command."}
          </span>
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
            { label: "of this: programs", colour: "--third" },
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
          whole
          summary={`${pids.current}${pids.limit ? ` of ${pids.limit}` : ""}`}
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
              ? `in ${cpu.throttled_periods} of ${plural(cpu.periods, "period")} of 100 ms the command used up its share; it waited ${micros(cpu.throttled_micros)} in all`
              : "never: there is no CPU limit"}
          </dd>
          <dt>Memory peak</dt>
          <dd>
            {memory.peak_bytes === null
              ? `${bytes(peak)}, the highest that was measured`
              : bytes(memory.peak_bytes)}
          </dd>
          <dt>File cache</dt>
          <dd>{bytes(memory.file_bytes)}</dd>
          <dt>Kernel memory</dt>
          <dd>
            {memory.kernel_bytes === null
              ? "not counted by this kernel"
              : bytes(memory.kernel_bytes)}
          </dd>
          <dt>Out of memory</dt>
          <dd>{last.oom_kills === 0 ? "never" : plural(last.oom_kills, "process", "processes")}</dd>
          <dt>Network</dt>
          <dd>
            {last.network
              ? `${bytes(last.network.rx_bytes)} received in ${plural(last.network.rx_packets, "packet")}, ${bytes(last.network.tx_bytes)} sent in ${last.network.tx_packets}`
              : "not counted: the container uses the network of this machine"}
          </dd>
          <dt>Pressure</dt>
          <dd>
            {last.pressure
              ? `waited in the last 10 s: ${percent(last.pressure.cpu.some.avg10)} for a CPU, ${percent(last.pressure.memory.some.avg10)} for memory, ${percent(last.pressure.io.some.avg10)} for disks`
              : "not counted by this kernel (version 1 cgroups)"}
          </dd>
          <dt>Health</dt>
          <dd>{last.health ?? "no health check"}</dd>
          <dt>Restarts</dt>
          <dd>{last.restarts}</dd>
          <dt>Uptime</dt>
          <dd>{duration(last.uptime_seconds)}</dd>
        </dl>
      </section>
      <NetworkPanel container={container} />
    </div>
  );
}

/** Of a container whose page was not open while it ran. */
function NotMeasured({ container }: { container: Container }) {
  const { exit, spec, started_at } = container;
  return (
    <div class="panel">
      <Empty title="Nothing to measure">
        {exit?.oom_killed ? (
          <p>
            The last run reached its memory limit
            {spec?.mem_limit_mb !== undefined && ` of ${spec.mem_limit_mb} MB`}, and the kernel
            killed the command. This page was not open then, so there is no curve of it.
          </p>
        ) : (
          <p>
            The container is not running, so it uses no memory, no CPU time and no processes.
            {started_at
              ? " Its last run was not measured, as this page was not open then."
              : " The charts begin when it is started."}
          </p>
        )}
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
