import "@testing-library/jest-dom/vitest";
import { cleanup, configure } from "@testing-library/react";
import { afterEach } from "vitest";

afterEach(cleanup);

// Milliseconds: a machine may be busy.
configure({ asyncUtilTimeout: 10_000 });
