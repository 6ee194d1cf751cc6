import { render } from "./parts.tsx";

// The guide's client goes to /login when it can no longer refresh.
const sentHere = location.pathname === "/login";

function Home() {
  return (
    <main>
      <h1>{sentHere ? "Log in again" : "Two front ends, one server"}</h1>
      {sentHere && <output>The guide’s client could not refresh its token and went to /login.</output>}
      <section>
        <h2>
          <a href="/guide/">The guide’s client</a>
        </h2>
        <p>axios, localStorage, and the interceptor as the guide writes it, word for word.</p>
      </section>
      <section>
        <h2>
          <a href="/client/">@latchkey/client</a>
        </h2>
        <p>The same page in cookie mode: no script can read a token, and one refresh serves every tab.</p>
      </section>
    </main>
  );
}

render(<Home />);
