import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { runnerImport, type Plugin } from "vite";

const placeholder = "<!--reference-->";

/**
 * Makes docs.html the API's reference. Vite must be started in web/.
 */
export function reference(): Plugin[] {
  return [prerender(), blockRendering()];
}

/** Puts the page in, made of the description that the server serves at /api/schema/. */
function prerender(): Plugin {
  let page = "";
  let sources: string[] = [];
  return {
    name: "latchkey-reference",
    configResolved({ root }) {
      page = resolve(root, "src/reference/page.tsx");
      sources = ["../internal/api/openapi.yaml", "../docs/deviations.md"].map((path) => resolve(root, path));
    },
    configureServer(server) {
      server.watcher.add(sources);
      server.watcher.on("change", (path) => {
        if (sources.includes(path)) server.ws.send({ type: "full-reload" });
      });
    },
    transformIndexHtml: {
      order: "pre",
      async handler(html) {
        if (!html.includes(placeholder)) return html;
        const { module } = await runnerImport<typeof import("./page")>(page);
        const [openapi = "", deviations = ""] = sources.map((path) => readFileSync(path, "utf8"));
        // A function, since of a string the dollar signs would be read.
        return html.replace(placeholder, () => module.renderReference(openapi, deviations));
      },
    },
  };
}

/**
 * Lets the browser wait with its first picture for the script, which is small:
 * the page is not drawn first in one theme, and without tabs, and then again.
 */
function blockRendering(): Plugin {
  return {
    name: "latchkey-reference-blocking",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler: (html, { path }) =>
        path.endsWith("/docs.html")
          ? html.replace('<script type="module"', '<script type="module" blocking="render"')
          : html,
    },
  };
}
