import { useAuth, RequireAuth } from "@latchkey/client/react";
import { House, LogOut, ShieldCheck, SlidersHorizontal, UserRound, type LucideIcon } from "lucide-react";
import { useEffect, useState } from "react";
import { Navigate, NavLink, Outlet, useLocation, useNavigation } from "react-router";
import { useMay } from "../people/permissions";
import { words } from "../people/problems";
import { useServiceName } from "../people/queries";
import { client } from "../session";
import { useText } from "../text/text";
import { Button } from "../ui/button";
import { classes } from "../ui/classes";
import { Mark } from "../ui/mark";
import { useToast } from "../ui/toast";
import { Frame } from "./frame";
import { paths, signInFrom } from "../paths";
import { Away, Coming } from "./places";

/** The frame of who is not signed in: the door, and where there is room beside it, what is behind. */
export function SignedOut() {
  const text = useText();
  const name = useServiceName();
  return (
    <Frame>
      <div className="mx-auto grid max-w-lg items-center gap-10 lg:max-w-none lg:grid-cols-[1fr_30rem]">
        <div className="order-1 lg:rounded-card lg:border lg:border-line lg:bg-surface lg:p-8">
          <Outlet />
        </div>
        <aside className="hidden space-y-5 lg:block" aria-label={text.welcomeTo(name)}>
          <Mark size={132} />
          <p className="max-w-sm text-h1 font-semibold text-balance">{text.welcomeTo(name)}</p>
          <p className="max-w-sm text-large text-soft">{text.welcomeBody}</p>
        </aside>
      </div>
    </Frame>
  );
}

/** The frame of who is; everybody else is sent to sign in, and back. */
export function SignedIn() {
  const auth = useAuth();
  const { pathname, search, hash } = useLocation();
  const [failed, setFailed] = useState(false);
  const unknown = auth.status === "unknown";

  // The client asks when it is started; here it is seen when that fails, and asked again.
  useEffect(() => {
    if (!unknown) return;
    let live = true;
    let timer: ReturnType<typeof setTimeout>;
    const ask = () => {
      client.restore().catch(() => {
        if (!live) return;
        setFailed(true);
        timer = setTimeout(ask, 3_000);
      });
    };
    ask();
    return () => {
      live = false;
      clearTimeout(timer);
    };
  }, [unknown]);

  const here = pathname + search + hash;
  return (
    <RequireAuth
      loading={
        <Frame>{failed ? <Away onRetry={() => void client.restore().catch(() => {})} /> : <Coming />}</Frame>
      }
      fallback={<Navigate to={auth.reason === "logout" ? paths.signIn : signInFrom(here)} replace />}
    >
      <Frame bar={<Bar />} wide={pathname.startsWith(paths.admin)}>
        <Page />
      </Frame>
    </RequireAuth>
  );
}

/** What a screen that is on its way leaves of the one before. */
function Page() {
  const { state } = useNavigation();
  return (
    <div aria-busy={state === "loading"}>
      <Outlet />
    </div>
  );
}

type Screen = { to: string; name: "home" | "profile" | "security" | "administration"; icon: LucideIcon };

const screens: Screen[] = [
  { to: paths.home, name: "home", icon: House },
  { to: paths.profile, name: "profile", icon: UserRound },
  { to: paths.security, name: "security", icon: ShieldCheck },
];

const administration: Screen = { to: paths.admin, name: "administration", icon: SlidersHorizontal };

function Bar() {
  const text = useText();
  const toast = useToast();
  const { logout } = useAuth();
  const may = useMay();
  const shown = may?.("users.read") ? [...screens, administration] : screens;
  const [leaving, setLeaving] = useState(false);
  return (
    <>
      <nav
        aria-label={text.navigation}
        className="fixed inset-x-0 bottom-0 z-10 border-t border-line bg-surface sm:static sm:border-0"
      >
        <ul className="mx-auto flex max-w-md justify-around sm:max-w-none sm:gap-1">
          {shown.map(({ to, name, icon: Icon }) => (
            <li key={to} className="grow sm:grow-0">
              <NavLink
                to={to}
                end={to === paths.home}
                className={({ isActive }) =>
                  classes(
                    "flex min-h-14 flex-col items-center justify-center gap-0.5 border-b-2 px-1.5 text-small whitespace-nowrap sm:px-3 sm:flex-row sm:gap-2",
                    isActive
                      ? "border-brass font-semibold text-ink"
                      : "border-transparent text-soft hover:text-ink",
                  )
                }
              >
                <Icon size={18} aria-hidden="true" />
                {text[name]}
              </NavLink>
            </li>
          ))}
        </ul>
      </nav>
      <Button
        kind="quiet"
        className="ml-auto"
        waiting={leaving && text.waiting}
        onClick={() => {
          setLeaving(true);
          logout()
            .catch((error: unknown) => toast(words(error, text), { failed: true }))
            .finally(() => setLeaving(false));
        }}
      >
        <LogOut size={18} aria-hidden="true" />
        {text.signOut}
      </Button>
    </>
  );
}
