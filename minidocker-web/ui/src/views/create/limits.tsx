/** Memory and CPU: a slider for a feeling, a number to be exact, the machine's size in sight. */
import type { FieldProblem } from "../../api/types.ts";
import { described, Field } from "../../components/field.tsx";
import { bytes } from "../../lib/format.ts";

const MB = 1024 * 1024;
const LEAST_MB = 16;
/** Steps per doubling. */
const FINE = 4;

interface Props {
  value: string;
  problem: FieldProblem | undefined;
  onChange: (value: string) => void;
}

export function MemoryLimit({
  value,
  machine,
  problem,
  onChange,
}: Props & { machine: number | null }) {
  const most = machine ? machine / MB : 8192;
  const steps = Math.ceil(Math.log2(most / LEAST_MB) * FINE);
  const toStep = (mb: number) => Math.round(Math.log2(Math.max(mb, LEAST_MB) / LEAST_MB) * FINE);
  const fromStep = (step: number) => rounded(Math.min(most, LEAST_MB * 2 ** (step / FINE)));
  return (
    <Field
      id="memory"
      label="Memory"
      problem={problem}
      hint={
        <>
          MB. {machine && `This machine has ${bytes(machine)}. `}
          {value === "" ? "Empty means no limit." : "The kernel ends a program that needs more."}
        </>
      }
    >
      <div class="limit">
        <input
          type="range"
          min={0}
          max={steps}
          value={value === "" ? steps : toStep(Number(value))}
          aria-label="Memory, roughly"
          aria-valuetext={value === "" ? "no limit" : `${value} MB`}
          onInput={(event) => onChange(String(fromStep(event.currentTarget.valueAsNumber)))}
        />
        <input
          {...described("memory", problem, true)}
          class="input number"
          inputMode="numeric"
          placeholder="no limit"
          autocomplete="off"
          value={value}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      </div>
      <Presets
        values={[50, 100, 256, 512, 1024].filter((mb) => mb <= most)}
        now={value}
        show={(mb) => bytes(mb * MB)}
        onChange={onChange}
      />
    </Field>
  );
}

export function CpuLimit({ value, cores, problem, onChange }: Props & { cores: number | null }) {
  const most = (cores ?? 4) * 100;
  return (
    <Field
      id="cpu"
      label="CPU"
      problem={problem}
      hint={
        <>
          Percent of one core.{" "}
          {cores &&
            `This machine has ${cores} ${cores === 1 ? "core" : "cores"}, ${cores * 100}% in all. `}
          {value === "" ? "Empty means no limit." : "A program that wants more runs slower."}
        </>
      }
    >
      <div class="limit">
        <input
          type="range"
          min={5}
          max={most}
          step={5}
          value={value === "" ? most : Number(value)}
          aria-label="CPU, roughly"
          aria-valuetext={value === "" ? "no limit" : `${value} percent`}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
        <input
          {...described("cpu", problem, true)}
          class="input number"
          inputMode="numeric"
          placeholder="no limit"
          autocomplete="off"
          value={value}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      </div>
      <Presets
        values={[25, 50, 100, 200].filter((one) => one <= most)}
        now={value}
        show={(one) => `${one}%`}
        onChange={onChange}
      />
    </Field>
  );
}

function Presets(props: {
  values: number[];
  now: string;
  show: (value: number) => string;
  onChange: (value: string) => void;
}) {
  const all: [string, string][] = [
    ...props.values.map((one): [string, string] => [String(one), props.show(one)]),
    ["", "no limit"],
  ];
  return (
    <div class="presets">
      {all.map(([value, label]) => (
        <button
          key={value}
          type="button"
          aria-pressed={props.now === value}
          onClick={() => props.onChange(value)}
        >
          {label}
        </button>
      ))}
    </div>
  );
}

/** To two digits, so that the slider gives figures one would have chosen. */
function rounded(value: number): number {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1);
  return Math.round(value / unit) * unit;
}
