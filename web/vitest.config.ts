import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [react()],
  test: {
    include: ["src/**/*.test.{ts,tsx}"],
    environment: "jsdom",
    setupFiles: ["src/test-setup.ts"],
    testTimeout: 30_000,
    // On two processors vitest would take one.
    maxWorkers: 2,
    hookTimeout: 60_000,
    // Kept for make asvs.
    reporters: ["default", "json"],
    outputFile: { json: "../.cache/results/web.json" },
  },
});
