import { setTimeout as sleep } from "node:timers/promises";

/** Follows Latchkey's feed of revocations and gives revoked(claims): true, false, or undefined while nothing is known. */
export function followRevocations(url, serviceKey) {
  let known; // the rows in force; undefined until all have been read once
  (async () => {
    for (let after = 0, next = empty(), wait = 0; ;) {
      try {
        const response = await fetch(`${url}?after=${after}&wait=${wait}`, {
          headers: { Authorization: `Bearer ${serviceKey}` },
          signal: AbortSignal.timeout((wait + 10) * 1000),
          redirect: "error",
        });
        if (response.status !== 200 && response.status !== 304)
          throw new Error(`the feed answers ${response.status}`);
        const page = response.status === 200 ? await response.json() : { seq: after, revocations: [] };
        if (page.reset) next = empty(); // another database: `known` stands until all of it is here
        for (const row of page.revocations) add(next, row);
        wait = page.revocations.length > 0 || page.reset ? 0 : 25;
        after = page.seq;
        if (wait > 0) known = forget(next);
      } catch (error) {
        console.error(`revocations cannot be read; going on with what is known: ${error.message}`);
        wait = 0;
        await sleep(500 + Math.random() * 500);
      }
    }
  })();
  return (claims) => known && has(known, claims);
}

const empty = () => ({ sid: new Map(), user: new Map(), all: new Map() });

function add(set, { kind, key, gen, iat_before, until }) {
  const old = set[kind]?.get(key) ?? { gen: 0, iat_before: 0, until: 0 };
  set[kind]?.set(key, {
    gen: Math.max(old.gen, gen),
    iat_before: Math.max(old.iat_before, iat_before),
    until: Math.max(old.until, until),
  });
}

/** A token without a sid, which Django made, has been refused before: rows of kind jti concern those alone. */
function has(set, { sid, user_id, gen, iat = 0 }) {
  const user = set.user.get(String(user_id)) ?? { gen: 0, iat_before: 0 };
  return (
    set.sid.has(sid) ||
    [...set.all.values()].some((row) => iat <= row.iat_before) ||
    (gen === undefined ? user.iat_before > 0 && iat <= user.iat_before : gen < user.gen)
  );
}

/** Drops the rows whose last token has expired. */
function forget(set) {
  for (const rows of Object.values(set))
    for (const [key, { until }] of rows) if (until < Date.now() / 1000) rows.delete(key);
  return set;
}
