import { fileURLToPath } from "node:url";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export const binary = process.env["LATCHKEY_BINARY"] ?? here("../../bin/latchkey");
export const clientDist = here("../../client/dist/");
export const exampleFolder = here("../../examples/react/");
export const pages = here("pages/");
export const screenshots = here("screenshots/");
