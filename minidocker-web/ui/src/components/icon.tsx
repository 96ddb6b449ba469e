/** Icons, drawn on a grid of 16 with a stroke of 1.5. They repeat a word, so they are silent. */

const PATHS = {
  archive: "M2 4h12M3 4v9h10V4M6.5 7h3M2.5 4l1-2h9l1 2",
  box: "M1.5 4h13v8h-13zM4.5 6v4M7 6v4M9.5 6v4M12 6v4",
  check: "M3 8.5 6.5 12 13 4.5",
  chevron: "m4 6 4 4 4-4",
  close: "m4 4 8 8m0-8-8 8",
  copy: "M6 6h7v7H6zM10 6V3H3v7h3",
  cross: "m4.5 4.5 7 7m0-7-7 7",
  download: "M8 2v8m-3.5-3L8 10.5 11.5 7M2.5 13.5h11",
  file: "M4 1.5h5l3 3v10H4zM9 1.5v3h3",
  flask: "M6 2h4M6.5 2v4L2.5 13a1 1 0 0 0 1 1.5h9a1 1 0 0 0 1-1.5L9.5 6V2M5 10h6",
  folder: "M1.5 3.5h4.5l1.5 2h7v7h-13z",
  gauge: "M2 12a6.5 6.5 0 1 1 12 0M8 10l3-4",
  grid: "M2 2h5v5H2zM9 2h5v5H9zM2 9h5v5H2zM9 9h5v5H9z",
  info: "M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13M8 7.5v4M8 5v.2",
  kill: "M8.5 1.5 4 9h4l-.5 5.5L12 7H8z",
  layers: "m8 1.5 6.5 3.5L8 8.5 1.5 5zM2 8.5 8 11.5l6-3M2 11.5l6 3 6-3",
  learn:
    "M8 4C6 2.5 3.5 2.5 1.5 3v10c2-.5 4.5-.5 6.5 1 2-1.5 4.5-1.5 6.5-1V3c-2-.5-4.5-.5-6.5 1zM8 4v10",
  link: "M6.5 9.5 9.5 6.5M7 4.5 9 2.700a3 3 0 0 1 4.300 4.300L11.5 9M9 11.5 7 13.300A3 3 0 0 1 2.700 9L4.5 7",
  list: "M5.5 4h8M5.5 8h8M5.5 12h8M2.5 4h.2M2.5 8h.2M2.5 12h.2",
  logs: "M2.5 2.5h11v11h-11zM5 6h6M5 8.5h6M5 11h3",
  menu: "M8 3.5v.2M8 8v.2M8 12.5v.2",
  moon: "M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7",
  network: "M6 2h4v3H6zM1.5 11h4v3h-4zM10.5 11h4v3h-4zM8 5v3M3.5 11V8h9v3",
  pause: "M5 3v10M11 3v10",
  play: "M4.5 2.5v11L13 8z",
  plus: "M8 3v10M3 8h10",
  restart: "M13 8a5 5 0 1 1-1.5-3.5L13 6M13 2.5V6H9.5",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9M10.5 10.5 14 14",
  stop: "M3.5 3.5h9v9h-9z",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  system: "M1.5 3h13v8h-13zM5.5 14h5M8 11v3",
  template: "M2.5 2.5h11v4h-11zM2.5 9h5v4.5h-5zM10 9h3.5v4.5H10z",
  terminal: "M1.5 3h13v10h-13zM4 6l2 2-2 2M8 10.5h3.5",
  timeline: "M2 3.5h5M5 8h6M9 12.5h5",
  trash: "M2.5 4.5h11M6 4V2.5h4V4M4 4.5l.5 9h7l.5-9M6.700 7v4M9.300 7v4",
  up: "M3.500 10 8 5.500 12.500 10",
  upload: "M8 10.5v-8M4.5 5.5 8 2l3.5 3.5M2.5 13.5h11",
  warning: "M8 2 1.5 13.5h13zM8 6.5v3.5M8 11.800v.2",
  xray: "M1.5 8C4 4 12 4 14.5 8 12 12 4 12 1.5 8M8 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      stroke-width="1.5"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
