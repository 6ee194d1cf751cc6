import { useState } from "react";
import { LoginForm, type Profile, ProfileCard, Readable, render } from "../parts.tsx";
import api from "./api.js";

function Page() {
  const [signedIn, setSignedIn] = useState(() => localStorage.getItem("access_token") !== null);

  async function logIn(email: string, password: string) {
    const response = await api.post("/auth/login/", { email, password });
    // The guide's "Token Storage".
    localStorage.setItem("access_token", response.data.tokens.access);
    localStorage.setItem("refresh_token", response.data.tokens.refresh);
    setSignedIn(true);
  }

  async function logOut() {
    await api.post("/auth/logout/", { refresh_token: localStorage.getItem("refresh_token") });
    localStorage.removeItem("access_token");
    localStorage.removeItem("refresh_token");
    setSignedIn(false);
  }

  return (
    <main>
      <a href="/">Both pages</a>
      <h1>The guide’s client</h1>
      {signedIn ? (
        <>
          <ProfileCard title="Profile" load={async () => (await api.get<Profile>("/auth/profile/")).data} />
          <Readable />
          <button onClick={logOut}>Log out</button>
        </>
      ) : (
        <LoginForm onSubmit={logIn} />
      )}
    </main>
  );
}

render(<Page />);
