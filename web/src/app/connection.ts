import { NetworkError } from "@latchkey/client";
import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";

/** Whether the server is out of reach: the browser says that it is offline, or the last request did not get there. */
let away = !navigator.onLine;
const hearers = new Set<() => void>();

function set(next: boolean) {
  if (away === next) return;
  away = next;
  for (const hear of hearers) hear();
}

addEventListener("offline", () => set(true));
addEventListener("online", () => set(false));

export const connection = {
  subscribe(hear: () => void): () => void {
    hearers.add(hear);
    return () => void hearers.delete(hear);
  },
  away: () => away,
};

const noteError = (error: unknown) => {
  if (error instanceof NetworkError) set(true);
};

/** What the server knows. It asks again by itself when the network is back, and keeps what it had meanwhile. */
export const queries = new QueryClient({
  queryCache: new QueryCache({ onError: noteError, onSuccess: () => set(!navigator.onLine) }),
  mutationCache: new MutationCache({ onError: noteError, onSuccess: () => set(!navigator.onLine) }),
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      // The client has tried once more already; what the server refuses stays refused.
      retry: (count, error) => error instanceof NetworkError && count < 1,
    },
    mutations: { networkMode: "always" },
  },
});
