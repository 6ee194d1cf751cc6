import { AlertDialog } from "radix-ui";
import { useEffect, useRef, type ReactNode } from "react";
import { Button } from "./button";

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
  proof,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  children: ReactNode;
  action: string;
  cancel: string;
  waiting?: false | string;
  onConfirm: () => void;
  danger?: boolean;
  /** The id of what takes the focus once it was confirmed, where what asked is gone by then. */
  after?: string;
  /** What has to be filled in first; whether it is right is for onConfirm to say. */
  proof?: ReactNode;
}) {
  const asker = useRef<Element>(null);
  const confirmed = useRef(false);
  useEffect(() => {
    // What is behind it can be neither reached nor read; Radix hides it from screen readers only.
    const page = document.getElementById("root");
    if (!open || !page) return;
    page.inert = true;
    return () => {
      page.inert = false;
    };
  }, [open]);
  const confirm = () => {
    confirmed.current = true;
    onConfirm();
  };
  return (
    <AlertDialog.Root open={open} onOpenChange={onOpenChange}>
      <AlertDialog.Portal>
        <div className="fixed inset-0 z-20 bg-[#0008]" />
        <AlertDialog.Content
          onOpenAutoFocus={() => {
            asker.current = document.activeElement;
            confirmed.current = false;
          }}
          onCloseAutoFocus={(event) => {
            event.preventDefault();
            const next = confirmed.current && after ? document.getElementById(after) : asker.current;
            if (next instanceof HTMLElement) next.focus();
          }}
          className="fixed inset-x-4 top-1/2 z-30 mx-auto max-h-[90dvh] max-w-md -translate-y-1/2 overflow-y-auto rounded-card border border-edge bg-surface p-5"
        >
          <AlertDialog.Title className="text-h2 font-semibold">{title}</AlertDialog.Title>
          <AlertDialog.Description className="mt-2 text-soft">{children}</AlertDialog.Description>
          {proof && <div className="mt-4">{proof}</div>}
          <div className="mt-5 flex flex-wrap justify-end gap-3">
            <AlertDialog.Cancel asChild>
              <Button>{cancel}</Button>
            </AlertDialog.Cancel>
            <Button kind={danger ? "danger" : "primary"} waiting={waiting} onClick={confirm}>
              {action}
            </Button>
          </div>
        </AlertDialog.Content>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
