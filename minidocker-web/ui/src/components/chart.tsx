/** A chart over time, drawn by uPlot. */
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { clock } from "../lib/format.ts";
import { colour, colours } from "../theme.ts";

export interface Series {
  label: string;
  /** A custom property that holds the colour. */
  colour: string;
  /** A limit: a dashed line without an area. */
  limit?: boolean;
}

interface Props {
  title: string;
  series: Series[];
  /** Times in seconds, then the values of each series. */
  data: (number | null)[][];
  format: (value: number | null) => string;
  /** Whether the axis counts in steps of 1024. */
  binary?: boolean;
  /** Whether there are only whole numbers. */
  whole?: boolean;
  /** The axis goes at least to here. */
  atLeast?: number;
  /** In words, for those who cannot see it. */
  summary: string;
}

const HEIGHT = 190;

const MINUTE = 60;

/** Steps of an axis of whole numbers. */
const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];

/** Steps of an axis that are round figures in bytes. */
const POWERS = Array.from({ length: 44 }, (_, power) => 2 ** power);

export function Chart({ title, series, data, format, binary, whole, atLeast = 1, summary }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(data);
  latest.current = data;
  const themed = colours.value;

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const axis: uPlot.Axis = {
      stroke: colour("--ink-soft"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
      font: "12px Plex Sans, system-ui, sans-serif",
    };
    plot.current = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        legend: { show: true, live: true },
        cursor: { y: false, points: { size: 7 } },
        scales: {
          // A minute at least: the axis of a single sample would count in milliseconds.
          x: { range: (_, min, max) => [Math.min(min, max - MINUTE), max] },
          y: { range: (_, _min, max) => [0, Math.max(atLeast, (max ?? 0) * 1.15)] },
        },
        axes: [
          { ...axis, space: 80, values: (_, ticks) => ticks.map(timeOfDay) },
          {
            ...axis,
            size: 68,
            values: (_, ticks) => ticks.map((tick) => format(tick)),
            ...(binary && { incrs: POWERS }),
            ...(whole && { incrs: WHOLE }),
          },
        ],
        series: [
          { value: (_, time) => (time == null ? "" : timeOfDay(time)) },
          ...series.map(({ label, colour: property, limit }): uPlot.Series => {
            const stroke = colour(property);
            return {
              label,
              stroke,
              width: limit ? 1.5 : 2,
              ...(limit ? { dash: [6, 5] } : { fill: withAlpha(stroke, 0.14) }),
              // A sample alone is no line.
              points: { show: (plot) => !limit && (plot.data[0]?.length ?? 0) < 3 },
              value: (_, value) => format(value),
            };
          }),
        ],
      },
      latest.current as uPlot.AlignedData,
      element,
    );
    const observer = new ResizeObserver(() => {
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [themed, series.length]);

  useLayoutEffect(() => {
    const now = plot.current;
    now?.setData(data as uPlot.AlignedData);
    // While nobody points at a moment, the legend tells the last one.
    const last = (data[0]?.length ?? 0) - 1;
    if (now && now.cursor.idx == null && last >= 0) now.setLegend({ idx: last });
  }, [data]);

  return (
    <figure class="panel chart" aria-label={`${title}: ${summary}`}>
      <figcaption>
        <h2>{title}</h2>
        <span class="soft number">{summary}</span>
      </figcaption>
      <div ref={box} aria-hidden="true" />
    </figure>
  );
}

/** As everywhere on the page: `19:23:05`. */
function timeOfDay(seconds: number): string {
  return clock(new Date(seconds * 1000).toISOString()).slice(0, 8);
}

function withAlpha(rgb: string, alpha: number): string {
  return rgb.replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`);
}
