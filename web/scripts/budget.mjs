// What the first screen loads: the page, and all that it names or that those import before anything is shown. Over the
// budget, in gzip (the larger of the two forms), the build fails.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";

const budget = 170 * 1024;
const dist = new URL("../dist/", import.meta.url).pathname;
const read = (name) => readFileSync(join(dist, name));

const files = ["index.html"];
for (const [, name] of read("index.html")
  .toString()
  .matchAll(/(?:src|href)="\/([^"]+\.(?:js|css|svg|webmanifest))"/g)) {
  if (!files.includes(name)) files.push(name);
}
for (const name of files) {
  if (!name.endsWith(".js") || !name.startsWith("assets/")) continue;
  // Only static imports: what import() names comes later.
  for (const [, other] of read(name)
    .toString()
    .matchAll(/(?:import|export)[^"'()]*?from\s*["']\.\/([^"']+)["']|import\s*["']\.\/([^"']+)["']/g)) {
    if (other && !files.includes(`assets/${other}`)) files.push(`assets/${other}`);
  }
}

let total = 0;
for (const name of files) {
  const plain = read(name);
  const gzip = gzipSync(plain, { level: 9 }).length;
  total += gzip;
  const row = [
    name.padEnd(40),
    String(plain.length).padStart(8),
    String(gzip).padStart(8),
    String(brotliCompressSync(plain).length).padStart(8),
  ];
  console.log(row.join(" "));
}
console.log(
  `first load: ${(total / 1024).toFixed(1)} KiB of ${budget / 1024} in gzip (columns: plain, gzip, brotli)`,
);
if (total > budget) {
  console.error("the first load is over its budget");
  process.exit(1);
}
