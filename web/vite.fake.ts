import { defineConfig, mergeConfig } from "vite";
import { fake } from "./src/fake/plugin";
import base from "./vite.config";

// The pages on a made-up server: vite --config vite.fake.ts, or vite preview with it for the build under its policy.
export default mergeConfig(
  { ...base, server: {}, preview: { headers: base.preview?.headers ?? {} } },
  defineConfig({ plugins: [fake()] }),
);
