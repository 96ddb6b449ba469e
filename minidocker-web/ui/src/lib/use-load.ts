/** Something the server is asked for, again whenever what it depends on changes. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type Problem, problemOf } from "../api/client.ts";
import { connection } from "../state.ts";

export interface Loaded<T> {
  data: T | null;
  problem: Problem | null;
  loading: boolean;
  reload: () => void;
}

export function useLoad<T>(
  load: () => Promise<T>,
  dependencies: readonly unknown[],
  everyMs?: number,
): Loaded<T> {
  const [data, setData] = useState<T | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [loading, setLoading] = useState(true);
  const question = useRef(0);
  /** Whether there was an answer. */
  const known = useRef(false);

  const reload = useCallback(async () => {
    const mine = ++question.current;
    setLoading(true);
    try {
      const answer = await load();
      if (mine !== question.current) return;
      setData(answer);
      known.current = true;
      setProblem(null);
    } catch (error) {
      if (mine !== question.current) return;
      const problem = problemOf(error);
      // The banner says that the server is gone; what was known last stays.
      setProblem((before) => (problem.code === "unreachable" && known.current ? before : problem));
    }
    setLoading(false);
  }, dependencies);

  const back = connection.value === "live";
  useEffect(() => {
    void reload();
    return () => {
      question.current += 1;
    };
  }, [reload, back]);

  useEffect(() => {
    if (!everyMs) return;
    const timer = setInterval(() => {
      if (!document.hidden && connection.value === "live") void reload();
    }, everyMs);
    return () => clearInterval(timer);
  }, [reload, everyMs]);

  return { data, problem, loading, reload };
}
