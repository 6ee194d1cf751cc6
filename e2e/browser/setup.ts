import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { binary, clientDist, exampleFolder } from "./places.ts";

// What the tests need is there before the first of them, or they fail at once:
// none is skipped.
export default function setup(): void {
  if (!existsSync(binary)) throw new Error(`there is no ${binary}: run "make build"`);
  if (!existsSync(clientDist)) throw new Error(`there is no ${clientDist}: run "npm run build -w client"`);
  execFileSync("npm", ["run", "--silent", "build"], {
    cwd: exampleFolder,
    stdio: ["ignore", "ignore", "inherit"],
  });
}
