import { fileURLToPath } from "node:url";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export const binary = process.env["LATCHKEY_BINARY"] ?? here("../../bin/latchkey");
export const clientDist = here("../../client/dist/");
export const exampleFolder = here("../../examples/react/");
export const pages = here("pages/");
// Pictures of the screens are for people: "" where none will look.
export const screenshots = process.env["CI"] ? "" : here("screenshots/");
