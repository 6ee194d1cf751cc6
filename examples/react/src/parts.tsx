import { type FormEvent, type ReactNode, StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import "./style.css";

// What both pages have: a form, a profile, and a look at what scripts can read.

export interface Profile {
  id: number;
  email: string;
  first_name: string;
  last_name: string;
  phone: string | null;
  role: string;
}

export function render(page: ReactNode): void {
  const root = document.getElementById("root");
  if (root) createRoot(root).render(<StrictMode>{page}</StrictMode>);
}

export function LoginForm({ onSubmit }: { onSubmit(email: string, password: string): Promise<void> }) {
  const [waiting, setWaiting] = useState(false);
  const [error, setError] = useState("");

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setWaiting(true);
    setError("");
    try {
      await onSubmit(String(form.get("email")), String(form.get("password")));
    } catch (failure) {
      setError(words(failure));
      setWaiting(false);
    }
  }

  return (
    <form onSubmit={submit} aria-label="Log in">
      <label>
        E-mail
        <input name="email" type="email" autoComplete="username" required />
      </label>
      <label>
        Password
        <input name="password" type="password" autoComplete="current-password" required />
      </label>
      {error && (
        <p role="alert" className="error">
          {error}
        </p>
      )}
      <button className="primary" disabled={waiting}>
        Log in
      </button>
    </form>
  );
}

// ProfileCard loads the profile when it is told to, as a page's call would.
export function ProfileCard({ title, load }: { title: string; load(): Promise<Profile> }) {
  const [profile, setProfile] = useState<Profile>();
  const [times, setTimes] = useState(0);
  const [error, setError] = useState("");

  async function click() {
    setError("");
    try {
      setProfile(await load());
      setTimes((n) => n + 1);
    } catch (failure) {
      setError(words(failure));
    }
  }

  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      <div className="row">
        <button onClick={click}>Load profile</button>
      </div>
      {error && (
        <p role="alert" className="error">
          {error}
        </p>
      )}
      {profile && (
        <>
          <dl>
            <dt>Name</dt>
            <dd>
              {profile.first_name} {profile.last_name}
            </dd>
            <dt>E-mail</dt>
            <dd>{profile.email}</dd>
            <dt>Role</dt>
            <dd>{profile.role}</dd>
          </dl>
          <output className="quiet">
            Loaded {times} {times === 1 ? "time" : "times"}
          </output>
        </>
      )}
    </section>
  );
}

// Readable shows what any script on the page can take with it.
export function Readable() {
  const [found, setFound] = useState<string[]>();

  function look() {
    const stored = [localStorage, sessionStorage].flatMap((storage) => Object.entries<string>(storage));
    setFound([
      ...stored.map(([key, value]) => `${key}: ${value.slice(0, 24)}…`),
      ...(document.cookie ? [`document.cookie: ${document.cookie}`] : []),
    ]);
  }

  return (
    <section aria-label="What a script can read">
      <h2>What a script can read</h2>
      <div className="row">
        <button onClick={look}>Look</button>
      </div>
      {found?.length === 0 && <p>Nothing.</p>}
      {found && found.length > 0 && (
        <ul>
          {found.map((line) => (
            <li key={line}>
              <code>{line}</code>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

// words says what went wrong, in the server's words where it has some.
export function words(failure: unknown): string {
  return failure instanceof Error ? failure.message : String(failure);
}
