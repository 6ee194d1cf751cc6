import { useEffect, useRef, type ReactNode } from "react";
import { useServiceName } from "./queries";

/**
 * A screen's heading. It names the page in the title bar and takes the focus when one comes to it, so that whoever listens
 * knows where they are.
 */
export function Heading({ title, children }: { title: string; children?: ReactNode }) {
  const name = useServiceName();
  const ref = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · ${name}`;
  }, [title, name]);
  useEffect(() => {
    // Not on the very first page, where the browser begins at the top, nor away from a field.
    const active = document.activeElement;
    if (moved && !(active instanceof HTMLInputElement)) ref.current?.focus();
    moved = true;
  }, []);
  return (
    <h1 ref={ref} tabIndex={-1}>
      {children ?? title}
    </h1>
  );
}

let moved = false;
