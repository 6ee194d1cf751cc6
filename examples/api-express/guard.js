import { createRemoteJWKSet, jwtVerify } from "jose";

const allRoles = ["admin", "manager", "employee", "client"];
const notValid = {
  detail: "Given token not valid for any token type",
  code: "token_not_valid",
  messages: [{ token_class: "AccessToken", token_type: "access", message: "Token is invalid or expired" }],
};

/**
 * Gives guard(...roles), a middleware that lets good access tokens of these
 * roles through (of any, if none is named) and puts their claims in req.user.
 */
export function createGuard({ jwks, signingKey, revoked }) {
  const key = signingKey ? new TextEncoder().encode(signingKey) : createRemoteJWKSet(new URL(jwks));
  const options = {
    algorithms: signingKey ? ["HS256"] : ["EdDSA", "ES256", "RS256"],
    requiredClaims: ["exp", "jti", "user_id", "sid"],
  };
  const refuse = (res, body) => res.status(401).set("WWW-Authenticate", 'Bearer realm="api"').json(body);

  return (...roles) =>
    async (req, res, next) => {
      const token = /^Bearer +(\S+) *$/i.exec(req.get("Authorization") ?? "")?.[1];
      if (!token) return refuse(res, { detail: "Authentication credentials were not provided." });
      const claims = await jwtVerify(token, key, options).then(
        ({ payload }) => payload,
        () => undefined,
      );
      if (claims?.token_type !== "access" || !allRoles.includes(claims.role)) return refuse(res, notValid);
      const dead = revoked(claims); // undefined: not known yet
      if (dead === undefined)
        return res
          .status(503)
          .set("Retry-After", "1")
          .json({ detail: "Service temporarily unavailable, try again later." });
      if (dead) return refuse(res, notValid);
      if (roles.length > 0 && !roles.includes(claims.role))
        return res.status(403).json({ detail: "You do not have permission to perform this action." });
      req.user = claims;
      next();
    };
}
