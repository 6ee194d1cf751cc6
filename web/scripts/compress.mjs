// Puts a brotli and a gzip form beside each file of the build that gains by it: the server picks, it does not compress. A
// large file goes where they are, to make the binary smaller: for the few clients that take neither, the server unpacks gzip.
import { readdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const dist = new URL("../dist/", import.meta.url).pathname;
const text = /\.(js|css|html|svg|json|webmanifest|txt)$/;

for (const name of readdirSync(dist, { recursive: true })) {
  if (!text.test(name)) continue;
  const plain = readFileSync(join(dist, name));
  if (plain.length < 512) continue;
  let gain = 0;
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length };
  for (const [suffix, packed] of [
    [".br", brotliCompressSync(plain, { params })],
    [".gz", gzipSync(plain, { level: 9 })],
  ]) {
    if (packed.length >= plain.length * 0.95) continue;
    writeFileSync(join(dist, name + suffix), packed);
    gain++;
  }
  // By index.html make knows how old the build is.
  if (gain === 2 && plain.length >= 4096 && name !== "index.html") unlinkSync(join(dist, name));
}
