import { createContext, useContext, useEffect, useMemo, useSyncExternalStore, type ReactNode } from "react";
import type { Client, State } from "./client.js";
import type { Role } from "./schema.js";

const Context = createContext<Client | undefined>(undefined);

/** Gives the client to everything inside, finds out who is signed in and keeps the session going. */
export function AuthProvider({ client, children }: { client: Client; children: ReactNode }) {
  useEffect(() => client.start(), [client]);
  return <Context.Provider value={client}>{children}</Context.Provider>;
}

export type Auth = State & Pick<Client, "login" | "register" | "logout"> & { client: Client };

/** Who is signed in, and how to change that. Inside an AuthProvider only. */
export function useAuth(): Auth {
  const client = useContext(Context);
  if (!client) throw new Error("useAuth wants an AuthProvider around it");
  const state = useSyncExternalStore(client.subscribe, () => client.state, unknown);
  return useMemo(
    () => ({ ...state, client, login: client.login, register: client.register, logout: client.logout }),
    [state, client],
  );
}

// On a server nobody is known to be signed in.
const nobody: State = { status: "unknown" };
const unknown = () => nobody;

/**
 * Shows its children to who is signed in, `fallback` to who is not (a redirect to the sign-in page of whatever router,
 * say), and `loading` while that is not known.
 */
export function RequireAuth({
  children,
  fallback = null,
  loading = null,
}: {
  children: ReactNode;
  fallback?: ReactNode;
  loading?: ReactNode;
}) {
  const { status } = useAuth();
  if (status === "unknown") return loading;
  return status === "signedIn" ? children : fallback;
}

/**
 * Shows its children to who has one of the roles, `fallback` to everybody else, and `loading` while it is not known who
 * is signed in. What it hides the server must refuse.
 */
export function RequireRole({
  roles,
  children,
  fallback = null,
  loading = null,
}: {
  roles: readonly Role[];
  children: ReactNode;
  fallback?: ReactNode;
  loading?: ReactNode;
}) {
  const { status, user } = useAuth();
  if (status === "unknown") return loading;
  return user && roles.includes(user.role) ? children : fallback;
}
