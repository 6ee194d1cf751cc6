import { Ban, CircleCheck } from "lucide-react";
import type { ReactNode } from "react";
import { useConsoleText } from "./text";

/** Whether an account is open, by a shape and a word. */
export function StateBadge({ active }: { active: boolean }) {
  const t = useConsoleText();
  const Icon = active ? CircleCheck : Ban;
  return (
    <span className="inline-flex items-center gap-1.5 whitespace-nowrap">
      <Icon size={16} aria-hidden="true" className={active ? "text-good" : "text-danger"} />
      {active ? t.active : t.deactivated}
    </span>
  );
}

export function Mark({ children }: { children: ReactNode }) {
  return (
    <span className="rounded-full border border-brass-text px-2 text-small font-medium whitespace-nowrap text-brass-text">
      {children}
    </span>
  );
}
