/** A chart over time, drawn by uPlot. */
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
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
  /** The axis goes at least to here. */
  atLeast?: number;
  /** In words, for those who cannot see it. */
  summary: string;
}

const HEIGHT = 190;

/** Steps of an axis that are round figures in bytes. */
const POWERS = Array.from({ length: 44 }, (_, power) => 2 ** power);

export function Chart({ title, series, data, format, binary, atLeast = 1, summary }: Props) {
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
        scales: { y: { range: (_, _min, max) => [0, Math.max(atLeast, (max ?? 0) * 1.15)] } },
        axes: [
          { ...axis, space: 80 },
          {
            ...axis,
            size: 68,
            values: (_, ticks) => ticks.map((tick) => format(tick)),
            ...(binary ? { incrs: POWERS } : {}),
          },
        ],
        series: [
          { value: (_, time) => (time == null ? "" : new Date(time * 1000).toLocaleTimeString()) },
          ...series.map(({ label, colour: property, limit }): uPlot.Series => {
            const stroke = colour(property);
            return {
              label,
              stroke,
              width: limit ? 1.5 : 2,
              ...(limit ? { dash: [6, 5] } : { fill: withAlpha(stroke, 0.14) }),
              points: { show: false },
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

function withAlpha(rgb: string, alpha: number): string {
  return rgb.replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`);
}
