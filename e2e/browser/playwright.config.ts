import { defineConfig } from "@playwright/test";
import { launchOptions } from "./browser.ts";

export default defineConfig({
  testDir: ".",
  outputDir: "results",
  globalSetup: "./setup.ts",
  // The second is kept for make asvs.
  reporter: [["list"], ["json", { outputFile: "../../.cache/results/browser.json" }]],
  // A test that fails now and then has found something.
  retries: 0,
  workers: 2,
  fullyParallel: true,
  forbidOnly: true,
  timeout: 120_000,
  expect: { timeout: 15_000 },
  use: {
    launchOptions: launchOptions(),
    locale: "en-US",
    timezoneId: "UTC",
    // A trace doubles the time: TRACE=retain-on-failure where one is wanted.
    trace: process.env["TRACE"] === "retain-on-failure" ? "retain-on-failure" : "off",
    screenshot: "only-on-failure",
  },
});
