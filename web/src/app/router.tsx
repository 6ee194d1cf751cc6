// First of all: a token in the address must be gone before anything reads the address.
import "../one-time";
import { createBrowserRouter, Outlet, type RouteObject } from "react-router";
import { Register } from "../features/register/register";
import { SignIn } from "../features/signin/sign-in";
import { Frame } from "./frame";
import { Broken, Coming, NotFound } from "./places";
import type { ConsoleScreen } from "../features/console/console";
import { paths } from "../paths";
import { SignedIn, SignedOut } from "./shells";

// The console is one piece, which comes when the first of its screens is wanted.
const screen = (name: ConsoleScreen) => async () => ({
  Component: (await import("../features/console/console")).screens[name],
});

// What only signed-in people see comes when it is wanted.
export const routes: RouteObject[] = [
  {
    errorElement: <Broken />,
    // Until the first screen's own code has come.
    hydrateFallbackElement: (
      <Frame>
        <Coming />
      </Frame>
    ),
    children: [
      {
        element: <SignedOut />,
        children: [
          { path: paths.signIn, element: <SignIn /> },
          { path: paths.register, element: <Register /> },
        ],
      },
      {
        element: <SignedIn />,
        children: [
          {
            errorElement: <Broken />,
            children: [
              { index: true, lazy: () => import("../features/home/home") },
              { path: paths.profile, lazy: () => import("../features/profile/profile") },
              { path: paths.security, lazy: () => import("../features/security/security") },
              {
                path: paths.admin,
                lazy: screen("console"),
                children: [
                  { index: true, lazy: screen("overview") },
                  { path: paths.users, lazy: screen("users") },
                  { path: paths.newUser, lazy: screen("newUser") },
                  { path: `${paths.users}/:id`, lazy: screen("user") },
                  { path: paths.audit, lazy: screen("audit") },
                  { path: paths.attempts, lazy: screen("attempts") },
                  { path: paths.roles, lazy: screen("roles") },
                  { path: paths.health, lazy: screen("health") },
                  { path: paths.system, lazy: screen("system") },
                  { path: "*", lazy: screen("nothing") },
                ],
              },
            ],
          },
        ],
      },
      {
        // Behind links that somebody was given, signed in or not.
        element: (
          <Frame narrow>
            <Outlet />
          </Frame>
        ),
        children: [
          { path: paths.reset, lazy: () => import("../features/links/reset") },
          { path: paths.setUp, lazy: () => import("../features/links/set-up") },
        ],
      },
      { path: "*", element: <NotFound /> },
    ],
  },
];

export const router = createBrowserRouter(routes);
