import { isUnconfirmed } from "@latchkey/client";
import { createContext, useCallback, useContext, useEffect, useRef, useState, type ReactNode } from "react";
import { client } from "../session";

/** Somebody was asked for the password and has not given it: nothing was done, and nobody needs to be told. */
export class NotProved extends Error {
  override name = "NotProved";
}

/**
 * Does something that the server may refuse until the password has been proved: asks for it then, and does it again.
 * `what` is how the button that it begins with is called. Rejects as the act does, and with NotProved.
 */
type Prove = <T>(what: string, act: () => Promise<T>) => Promise<T>;

const Context = createContext<Prove>((_, act) => act());

export function useProof(): Prove {
  return useContext(Context);
}

type Question = { what: string; answer: Promise<boolean>; settle: (proved: boolean) => void };
type Dialog = typeof import("./ask-password").AskPassword;

/** Gives `useProof` to everything inside, and shows its dialog. */
export function ProofProvider({ children }: { children: ReactNode }) {
  const [shown, setShown] = useState<{ what: string; Dialog: Dialog }>();
  const open = useRef<Question>(undefined);
  const settle = useCallback((proved: boolean) => {
    open.current?.settle(proved);
    open.current = undefined;
    setShown(undefined);
  }, []);
  const ask = useCallback((what: string): Promise<boolean> => {
    // Of several at once the first is asked for.
    if (open.current) return open.current.answer;
    let settle: Question["settle"] = () => {};
    const answer = new Promise<boolean>((resolve, reject) => {
      settle = resolve;
      // Few are ever asked, so the dialog comes when somebody is. Where it does not come, the act has failed.
      import("./ask-password").then(
        ({ AskPassword }) => open.current?.answer === answer && setShown({ what, Dialog: AskPassword }),
        (error: unknown) => {
          open.current = undefined;
          reject(error);
        },
      );
    });
    open.current = { what, answer, settle };
    return answer;
  }, []);
  const prove = useCallback<Prove>(
    async (what, act) => {
      for (;;) {
        try {
          return await act();
        } catch (error) {
          if (!isUnconfirmed(error)) throw error;
          if (!(await ask(what))) throw new NotProved();
        }
      }
    },
    [ask],
  );
  // Who is signed out has nothing to prove.
  useEffect(() => client.on("signedOut", () => settle(false)), [settle]);
  return (
    <Context.Provider value={prove}>
      {children}
      {shown && <shown.Dialog what={shown.what} onSettle={settle} />}
    </Context.Provider>
  );
}
