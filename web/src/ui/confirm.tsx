import { AlertDialog } from "radix-ui";
import { useEffect, useId, useRef, useSyncExternalStore, type ReactNode } from "react";
import { Button } from "./button";
import { classes } from "./classes";

/** Those that are open, the last one in front. One may ask something before another goes on. */
let stack: readonly string[] = [];
const hearers = new Set<() => void>();

function restack(next: readonly string[]) {
  stack = next;
  // What is behind can be neither reached nor read; Radix hides it from screen readers only.
  const page = document.getElementById("root");
  if (page) page.inert = stack.length > 0;
  for (const hear of hearers) hear();
}

const subscribe = (hear: () => void) => {
  hearers.add(hear);
  return () => void hearers.delete(hear);
};

/**
 * Asks before what cannot be undone, with the thing's own name in the question and in the button. The backdrop is ours:
 * Radix' own puts a style element into the page, which the policy forbids.
 */
export function Confirm({
  open,
  onOpenChange,
  title,
  children,
  action,
  cancel,
  waiting,
  onConfirm,
  danger = true,
  after,
  first,
  form,
  proof,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  children: ReactNode;
  action: string;
  cancel: string;
  /** What the action says while it is under way, when it can be neither confirmed again nor closed. */
  waiting?: false | string;
  onConfirm?: () => void;
  danger?: boolean;
  /** The id of what takes the focus once it was confirmed, where what asked is gone by then. */
  after?: string;
  /** The id of what takes the focus when it opens, where that is not what takes it back. */
  first?: string;
  /** The id of the form in `proof` that the action sends; onConfirm is not called then. */
  form?: string;
  /** What has to be filled in first; whether it is right is for onConfirm to say. */
  proof?: ReactNode;
}) {
  const id = useId();
  const asker = useRef<Element>(null);
  const confirmed = useRef(false);
  const covered = useSyncExternalStore(subscribe, () => stack.includes(id) && stack.at(-1) !== id);
  const over = useSyncExternalStore(subscribe, () => stack.indexOf(id) > 0);
  useEffect(() => {
    if (!open) return;
    restack([...stack, id]);
    return () => restack(stack.filter((other) => other !== id));
  }, [open, id]);
  const confirm = () => {
    confirmed.current = true;
    onConfirm?.();
  };
  // What is under way is not taken back by closing the question.
  const change = (next: boolean) => (next || !waiting) && onOpenChange(next);
  return (
    <AlertDialog.Root open={open} onOpenChange={change}>
      <AlertDialog.Portal>
        {!over && <div className="fixed inset-0 z-20 bg-[#0008]" />}
        <AlertDialog.Content
          inert={covered}
          // Radix hears of the key a moment after the focus is here; until then what is behind would take it.
          onEscapeKeyDown={(event) => {
            event.preventDefault();
            // A click beside the dialog has taken the focus out of it.
            if (event.target === document.body) change(false);
          }}
          onKeyDown={(event) => event.key === "Escape" && change(false)}
          onOpenAutoFocus={(event) => {
            asker.current = document.activeElement;
            confirmed.current = false;
            const field = first && document.getElementById(first);
            if (!field) return;
            event.preventDefault();
            field.focus();
          }}
          onCloseAutoFocus={(event) => {
            event.preventDefault();
            const next = confirmed.current && after ? document.getElementById(after) : asker.current;
            if (next instanceof HTMLElement) next.focus();
          }}
          className={classes(
            "fixed inset-x-4 top-1/2 z-30 mx-auto max-h-[90dvh] max-w-md -translate-y-1/2 overflow-y-auto rounded-card border border-edge bg-surface p-5",
            covered && "invisible",
          )}
        >
          <AlertDialog.Title className="text-h2 font-semibold">{title}</AlertDialog.Title>
          <AlertDialog.Description className="mt-2 text-soft">{children}</AlertDialog.Description>
          {proof && <div className="mt-4">{proof}</div>}
          <div className="mt-5 flex flex-wrap justify-end gap-3">
            <AlertDialog.Cancel asChild>
              <Button
                aria-disabled={waiting ? true : undefined}
                className="aria-disabled:cursor-default aria-disabled:opacity-50"
              >
                {cancel}
              </Button>
            </AlertDialog.Cancel>
            <Button
              kind={danger ? "danger" : "primary"}
              waiting={waiting}
              {...(form ? { type: "submit", form } : { onClick: confirm })}
            >
              {action}
            </Button>
          </div>
        </AlertDialog.Content>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
