import { createClient } from "@latchkey/client";
import { attach } from "@latchkey/client/axios";
import { AuthProvider, useAuth } from "@latchkey/client/react";
import axios from "axios";
import { LoginForm, type Profile, ProfileCard, Readable, render } from "../parts.tsx";

// Cookie mode: both tokens are HttpOnly cookies of the server's.
const client = createClient({ baseURL: "http://localhost:8000" });

// An axios instance that an app has already needs no interceptors of its own.
// oxlint-disable-next-line import/no-named-as-default-member -- as axios's own manual writes it
const api = axios.create({ baseURL: "http://localhost:8000/api" });
attach(api, client);

function Page() {
  const { status, user, login, logout } = useAuth();

  return (
    <main>
      <a href="/">Both pages</a>
      <h1>@latchkey/client</h1>
      {status === "unknown" && <p>One moment.</p>}
      {status === "signedOut" && (
        <LoginForm onSubmit={async (email, password) => void (await login({ email, password }))} />
      )}
      {status === "signedIn" && (
        <>
          <p>Signed in as {user.email}.</p>
          <ProfileCard title="Profile" load={client.profile.get} />
          <ProfileCard
            title="Profile, by axios"
            load={async () => (await api.get<Profile>("/auth/profile/")).data}
          />
          <Readable />
          <button onClick={() => void logout()}>Log out</button>
        </>
      )}
    </main>
  );
}

render(
  <AuthProvider client={client}>
    <Page />
  </AuthProvider>,
);
