import { AuthProvider } from "@latchkey/client/react";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "react-router";
import { client } from "../session";
import { ProofProvider } from "../people/proof";
import type { Text } from "../text/en";
import { TextProvider, useText, type Language } from "../text/text";
import { ToastProvider } from "../ui/toast";
import { queries } from "./connection";
import { router } from "./router";

// What one person has seen is not the next one's.
client.on("signedOut", () => queries.removeQueries({ predicate: (q) => q.queryKey[0] !== "settings" }));

export function App({ first }: { first: { language: Language; text: Text } }) {
  return (
    <TextProvider first={first}>
      <QueryClientProvider client={queries}>
        <AuthProvider client={client}>
          <Toasts />
        </AuthProvider>
      </QueryClientProvider>
    </TextProvider>
  );
}

function Toasts() {
  const text = useText();
  return (
    <ToastProvider label={text.notifications} close={text.close}>
      <ProofProvider>
        <RouterProvider router={router} />
      </ProofProvider>
    </ToastProvider>
  );
}
