import { CircleAlert, CircleCheck, X } from "lucide-react";
import { Toast } from "radix-ui";
import { createContext, useCallback, useContext, useState, type ReactNode } from "react";
import { classes } from "./classes";

type More = {
  /** What takes back what the message tells of. */
  undo?: { label: string; act: () => void } | undefined;
  /** It is of something that failed. */
  failed?: boolean;
};
type Shown = More & { id: number; message: string };
type Say = (message: string, more?: More) => void;

const Context = createContext<Say>(() => {});

/** Says what came of something; it goes by itself. */
export function useToast(): Say {
  return useContext(Context);
}

export function ToastProvider({
  label,
  close,
  children,
}: {
  label: string;
  close: string;
  children: ReactNode;
}) {
  const [shown, setShown] = useState<Shown[]>([]);
  const say = useCallback<Say>((message, more) => {
    setShown((all) => [...all.slice(-2), { ...more, id: (all.at(-1)?.id ?? 0) + 1, message }]);
  }, []);
  return (
    <Context.Provider value={say}>
      <Toast.Provider label={label} duration={6000} swipeDirection="right">
        {children}
        {shown.map(({ id, message, undo, failed }) => (
          <Toast.Root
            key={id}
            // Whoever wants to take something back is given the time to get there.
            duration={undo ? 15_000 : 6000}
            onOpenChange={(open) => {
              if (!open) setShown((all) => all.filter((t) => t.id !== id));
            }}
            className={classes(
              "flex items-center gap-3 rounded-card border py-1 pl-4 pr-1",
              failed ? "border-danger bg-danger-paper" : "border-good bg-good-paper",
            )}
          >
            {failed ? (
              <CircleAlert size={20} aria-hidden="true" className="shrink-0 text-danger" />
            ) : (
              <CircleCheck size={20} aria-hidden="true" className="shrink-0 text-good" />
            )}
            <Toast.Description className="min-w-0 grow py-2">{message}</Toast.Description>
            {undo && (
              <Toast.Action
                altText={undo.label}
                onClick={undo.act}
                className="min-h-11 shrink-0 rounded-card border border-edge bg-surface px-3 font-medium"
              >
                {undo.label}
              </Toast.Action>
            )}
            <Toast.Close aria-label={close} className="grid size-11 shrink-0 place-items-center rounded-card">
              <X size={18} aria-hidden="true" />
            </Toast.Close>
          </Toast.Root>
        ))}
        <Toast.Viewport
          label={`${label} ({hotkey})`}
          className="fixed inset-x-4 bottom-20 z-40 mx-auto flex max-w-md flex-col gap-2 outline-none sm:bottom-4"
        />
      </Toast.Provider>
    </Context.Provider>
  );
}
