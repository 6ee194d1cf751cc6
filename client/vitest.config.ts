import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.{ts,tsx}"],
    testTimeout: 15_000,
    // Most of what they do is wait.
    maxWorkers: 3,
    // Kept for make asvs.
    reporters: ["default", "json"],
    outputFile: { json: "../.cache/results/client.json" },
  },
});
