/** A long list is drawn as far as somebody has scrolled, and a little further. */
import { useEffect, useRef, useState } from "preact/hooks";

const PAGE = 90;

/** How many to draw, and a ref for an element after the last: when it comes near, more are drawn. */
export function useMore(total: number) {
  const [count, setCount] = useState(PAGE);
  const end = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const element = end.current;
    if (!element || count >= total) return;
    const observer = new IntersectionObserver(
      ([entry]) => {
        if (entry?.isIntersecting) setCount((old) => old + PAGE);
      },
      { rootMargin: "1200px" },
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, [count, total]);

  return { count, end };
}
