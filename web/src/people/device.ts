import type { Text } from "../text/en";

/** What a device is called in a language. */
export function deviceName(d: { browser: string; os: string }, text: Text): string {
  if (d.browser && d.os) return text.deviceName(d.browser, d.os);
  return d.browser || d.os || text.unknownDevice;
}
