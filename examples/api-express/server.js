import express from "express";
import { createGuard } from "./guard.js";
import { followRevocations } from "./revocations.js";

const { AUTH_URL, AUTH_SERVICE_KEY, AUTH_SIGNING_KEY, HOST = "127.0.0.1", PORT = "9000" } = process.env;

const guard = createGuard({
  jwks: `${AUTH_URL}/.well-known/jwks.json`,
  signingKey: AUTH_SIGNING_KEY, // only with signing.algorithm = "HS256"
  revoked: followRevocations(`${AUTH_URL}/api/auth/revocations/`, AUTH_SERVICE_KEY),
});

const app = express();
app.get("/public", (_req, res) => res.json({ message: "hello, whoever you are" }));
app.get("/me", guard(), (req, res) => res.json({ user_id: req.user.user_id, role: req.user.role }));
app.get("/reports", guard("admin", "manager"), (_req, res) =>
  res.json(["the first quarter", "the second quarter"]),
);
// For all but the limited role.
app.post("/reports", guard("admin", "manager", "employee"), (req, res) =>
  res.status(201).json({ by: req.user.user_id }),
);

app.listen(Number(PORT), HOST);
