import { WifiOff } from "lucide-react";
import { useEffect, useState, useSyncExternalStore, type ReactNode } from "react";
import { Link, useLocation } from "react-router";
import { paths } from "../paths";
import { useServiceName } from "../people/queries";
import { takeSignIn } from "../session";
import { languageNames, useLanguage, useText } from "../text/text";
import { classes } from "../ui/classes";
import { Choice } from "../ui/field";
import { Mark } from "../ui/mark";
import { connection } from "./connection";
import { useTheme } from "./theme";

/** The frame of every page: who this is, and at its end how it looks and speaks. */
export function Frame({
  bar,
  children,
  narrow = false,
  wide = false,
}: {
  bar?: ReactNode;
  children: ReactNode;
  narrow?: boolean;
  /** For tables of many columns. */
  wide?: boolean;
}) {
  const text = useText();
  const name = useServiceName();
  // Once, when one comes here from signing in.
  const [turn] = useState(takeSignIn);
  // A new screen begins at its top. The router's own way keeps positions in the page's storage, where nothing shall be.
  const { pathname } = useLocation();
  useEffect(() => {
    if (pathname) scrollTo(0, 0);
  }, [pathname]);
  return (
    <div className="flex min-h-dvh flex-col">
      <a
        href="#content"
        className="sr-only rounded-card bg-brass px-4 py-3 text-on-brass focus:not-sr-only focus:fixed focus:left-2 focus:top-2 focus:z-50"
      >
        {text.skip}
      </a>
      <header className={classes("border-b", bar ? "border-line bg-surface" : "border-transparent")}>
        <div
          className={classes(
            "mx-auto flex min-h-14 w-full flex-wrap items-center gap-x-6 gap-y-1 px-4",
            wide ? "max-w-6xl" : "max-w-5xl",
          )}
        >
          <Link
            to={paths.home}
            className="flex min-h-11 min-w-0 items-center gap-2.5 rounded-card font-semibold"
          >
            <Mark turn={turn} />
            <span className="truncate">{name}</span>
          </Link>
          {bar}
        </div>
      </header>
      <Offline />
      <main
        id="content"
        tabIndex={-1}
        className={classes(
          "mx-auto w-full grow px-4 py-6 outline-none",
          narrow ? "max-w-lg" : wide ? "max-w-6xl" : "max-w-5xl",
        )}
      >
        {children}
      </main>
      <Foot lift={bar !== undefined} wide={wide} />
    </div>
  );
}

function Offline() {
  const text = useText();
  const away = useSyncExternalStore(connection.subscribe, connection.away);
  return (
    <div role="status">
      {away && (
        <p className="flex items-center justify-center gap-2 border-b border-edge bg-sunken px-4 py-2 text-small">
          <WifiOff size={16} aria-hidden="true" className="shrink-0" />
          {text.offline}
        </p>
      )}
    </div>
  );
}

function Foot({ lift, wide }: { lift: boolean; wide: boolean }) {
  const text = useText();
  const { language, speak } = useLanguage();
  const [theme, setTheme] = useTheme();
  return (
    <footer className={classes("border-t border-line", lift && "pb-16 sm:pb-0")} aria-label={text.settings}>
      <div
        className={classes(
          "mx-auto flex w-full flex-wrap items-center gap-x-4 gap-y-1 px-4 py-2 text-small",
          wide ? "max-w-6xl" : "max-w-5xl",
        )}
      >
        <Choice
          id="theme"
          label={text.theme}
          hideLabel
          value={theme}
          onChange={setTheme}
          options={[
            { id: "system", name: text.themes.system },
            { id: "light", name: text.themes.light },
            { id: "dark", name: text.themes.dark },
          ]}
        />
        <Choice
          id="language"
          label={text.languageChoice}
          hideLabel
          value={language}
          onChange={speak}
          options={languageNames}
        />
        <a
          href="/api/docs/"
          className="inline-flex min-h-11 items-center rounded-card px-1 underline underline-offset-4"
        >
          {text.apiReference}
        </a>
      </div>
    </footer>
  );
}
