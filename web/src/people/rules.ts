/** What of a person a password must not resemble. */
export type About = { first_name: string; last_name: string; email: string };

/** Django's UserAttributeSimilarityValidator.max_similarity. */
const maxSimilarity = 0.7;

/** How often each character occurs. */
function tally(s: string): { of: Map<string, number>; length: number } {
  const of = new Map<string, number>();
  let length = 0;
  for (const c of s) {
    of.set(c, (of.get(c) ?? 0) + 1);
    length++;
  }
  return { of, length };
}

/**
 * How alike two texts are, from 0 to 1: Python's SequenceMatcher.quick_ratio, twice the characters in common, order
 * aside, over those of both.
 */
export function likeness(a: string, b: string): number {
  const [x, y] = [tally(a), tally(b)];
  if (x.length + y.length === 0) return 1;
  let common = 0;
  for (const [c, n] of y.of) common += Math.min(n, x.of.get(c) ?? 0);
  return (2 * common) / (x.length + y.length);
}

/** Whether a password resembles a name or the e-mail, as a whole or in one of its words. */
export function resembles(password: string, about: About): boolean {
  const lower = password.toLowerCase();
  return [about.first_name, about.last_name, about.email].some((value) => {
    if (!value) return false;
    const whole = value.toLowerCase();
    return [...whole.split(/[^\p{L}\p{N}_]+/u), whole].some((part) => {
      const [mine, its] = [[...lower].length, [...part].length];
      if (mine >= 10 * its && its < (maxSimilarity / 2) * mine) return false;
      return likeness(lower, part) >= maxSimilarity;
    });
  });
}

/** What Python's str.isdigit takes, superscripts and numbers in circles included. */
const digits =
  /^[\p{Nd}\u00b2\u00b3\u00b9\u2070\u2074-\u2079\u2080-\u2089\u2460-\u2468\u2474-\u247c\u2488-\u2490\u24ea\u24f5-\u24fd\u24ff\u2776-\u277e\u2780-\u2788\u278a-\u2792]+$/u;

export type Rule = "length" | "numeric" | "similar" | "common" | "match";
export type Verdict = "met" | "notMet" | "unknown";

/**
 * What a new password keeps of the rules, while it is typed. Whether it is a common one only the server knows; it has said
 * so of `common`, if that is this one.
 */
export function judge(
  password: string,
  repeated: string,
  about: About,
  minLength: number,
  common: string | undefined,
): Record<Rule, Verdict> {
  const is = (met: boolean): Verdict => (password === "" ? "unknown" : met ? "met" : "notMet");
  return {
    length: is([...password].length >= minLength),
    numeric: is(!digits.test(password)),
    similar: is(!resembles(password, about)),
    common: password !== "" && password === common ? "notMet" : "unknown",
    match: repeated === "" ? "unknown" : is(password === repeated),
  };
}
