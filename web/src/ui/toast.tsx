import { CircleCheck, X } from "lucide-react";
import { Toast } from "radix-ui";
import { createContext, useCallback, useContext, useState, type ReactNode } from "react";

type Shown = { id: number; message: string };

const Context = createContext<(message: string) => void>(() => {});

/** Says that something has succeeded; it goes by itself. */
export function useToast(): (message: string) => void {
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
  const say = useCallback((message: string) => {
    setShown((all) => [...all.slice(-2), { id: (all.at(-1)?.id ?? 0) + 1, message }]);
  }, []);
  return (
    <Context.Provider value={say}>
      <Toast.Provider label={label} duration={6000} swipeDirection="right">
        {children}
        {shown.map(({ id, message }) => (
          <Toast.Root
            key={id}
            onOpenChange={(open) => {
              if (!open) setShown((all) => all.filter((t) => t.id !== id));
            }}
            className="flex items-center gap-3 rounded-card border border-good bg-good-paper py-1 pl-4 pr-1"
          >
            <CircleCheck size={20} aria-hidden="true" className="shrink-0 text-good" />
            <Toast.Description className="grow py-2">{message}</Toast.Description>
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
