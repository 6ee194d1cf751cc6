import { createBrowserRouter, type RouteObject } from "react-router";
import { Register } from "../features/register/register";
import { SignIn } from "../features/signin/sign-in";
import { Frame } from "./frame";
import { Broken, Coming, NotFound } from "./places";
import { paths } from "../paths";
import { SignedIn, SignedOut } from "./shells";

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
            ],
          },
        ],
      },
      { path: "*", element: <NotFound /> },
    ],
  },
];

export const router = createBrowserRouter(routes);
