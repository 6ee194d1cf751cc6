// What the page can do beyond being read. Nothing of it is needed to read it.

import { startContents } from "./contents";
import { startCopying } from "./copy";
import { startFinding } from "./find";
import { startServer } from "./server";
import { startTabs } from "./tabs";
import { startTheme } from "./theme";
import { startTrying } from "./trying";

startTheme();
startTabs();
startCopying();
startServer();
startContents();
startFinding();
startTrying();

// All that moved what is on the page; whoever came for a part of it is brought there.
if (location.hash !== "") {
  document
    .getElementById(decodeURIComponent(location.hash.slice(1)))
    ?.scrollIntoView({ behavior: "instant" });
}
