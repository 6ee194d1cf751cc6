import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The guide's server lets http://localhost:3000 call it, and so does ours: with
// another port the browser would keep the answers from the pages.
const server = { host: "localhost", port: 3000, strictPort: true };

export default defineConfig({
  plugins: [react()],
  server,
  preview: server,
  build: {
    rollupOptions: { input: ["index.html", "guide/index.html", "client/index.html"] },
  },
});
