import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { reference } from "./src/reference/plugin";

// The policy that the binary serves every page under (internal/server/ui.go), so that what it forbids is seen here, too.
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
  "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const server = { "/api": process.env["LATCHKEY_URL"] ?? "http://localhost:8000" };

export default defineConfig({
  plugins: [react(), tailwindcss(), reference()],
  build: {
    target: "es2022",
    // What is inlined as data: is neither cached nor, for scripts, allowed by the policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { input: ["index.html", "docs.html"] },
  },
  server: { proxy: server },
  preview: { proxy: server, headers: { "Content-Security-Policy": policy } },
});
