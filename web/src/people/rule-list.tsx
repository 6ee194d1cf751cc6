import { Circle, CircleCheck, CircleX } from "lucide-react";
import { useText } from "../text/text";
import { classes } from "../ui/classes";
import type { Rule, Verdict } from "./rules";

/** The rules of a new password, which listen while one types. */
export function RuleList({
  id,
  verdicts,
  minLength,
}: {
  id: string;
  verdicts: Record<Rule, Verdict>;
  minLength: number;
}) {
  const text = useText();
  const names: Record<Rule, string> = {
    length: text.ruleLength(minLength),
    numeric: text.ruleNumeric,
    similar: text.ruleSimilar,
    common: text.ruleCommon,
    match: text.ruleMatch,
  };
  const said: Record<Verdict, string> = { met: text.ruleMet, notMet: text.ruleNotMet, unknown: "" };
  return (
    <div id={id} className="text-small">
      <p className="sr-only">{text.rules}</p>
      <ul className="grid gap-x-4 gap-y-0.5 sm:grid-cols-2">
        {(Object.keys(names) as Rule[]).map((rule) => {
          const verdict = verdicts[rule];
          const Icon = verdict === "met" ? CircleCheck : verdict === "notMet" ? CircleX : Circle;
          const word = rule === "common" && verdict === "unknown" ? text.ruleUnknown : said[verdict];
          return (
            <li
              key={rule}
              className={classes(
                "flex items-start gap-1.5",
                verdict === "met" ? "text-good" : verdict === "notMet" ? "text-danger" : "text-soft",
              )}
            >
              <Icon size={16} aria-hidden="true" className="mt-0.5 shrink-0" />
              <span>
                {names[rule]}
                {word && <span className="sr-only">: {word}</span>}
              </span>
            </li>
          );
        })}
      </ul>
    </div>
  );
}
