import type { LaunchOptions } from "@playwright/test";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

// The programs that are a Chromium, the likeliest first.
const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const elsewhere = ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"];

const off = [
  // The address bar's suggestions are pages of their own, which each window loads though nobody sees it: they take more
  // than the page under test.
  "WebUIOmniboxPopup",
  "WebUIOmniboxAimPopup",
  // What Playwright turns off: of two such lists Chromium obeys the last.
  "AvoidUnnecessaryBeforeUnloadCheckSync",
  "DestroyProfileOnBrowserClose",
  "HttpsUpgrades",
  "HttpsFirstBalancedModeAutoEnable",
  "LensOverlay",
  "MediaRouter",
  "PaintHolding",
  "ThirdPartyStoragePartitioning",
  "AvoidCorsURLLoaderRestartOnRedirect",
  "OptimizationHints",
  "NetworkTimeServiceQuerying",
  "AimEnabled",
  "PreconnectToSearch",
];

// launchOptions says how to start the machine's own Chromium. It is kept from
// talking to anybody but the servers under test.
export function launchOptions(...more: string[]): LaunchOptions {
  return {
    executablePath: findChromium(),
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      `--disable-features=${off.join()}`,
      ...more,
    ],
  };
}

function findChromium(): string {
  const named = process.env["CHROMIUM"];
  if (named) return named;
  const found = (process.env["PATH"] ?? "")
    .split(delimiter)
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .concat(elsewhere)
    .find(executable);
  if (!found) throw new Error("there is no Chromium on PATH; the environment's CHROMIUM can name one");
  return found;
}

export function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
