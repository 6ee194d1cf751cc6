import { zodResolver } from "@hookform/resolvers/zod";
import { useAuth } from "@latchkey/client/react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useForm, useWatch } from "react-hook-form";
import { Link, useLocation } from "react-router";
import * as z from "zod/mini";
import { ask } from "../../ask";
import { forgetToken, oneTimeToken } from "../../one-time";
import { paths } from "../../paths";
import { applyServerErrors, ownProblems, sentences } from "../../people/problems";
import { useMinLength } from "../../people/queries";
import { RuleList } from "../../people/rule-list";
import { judge } from "../../people/rules";
import { Heading } from "../../people/screen";
import { client } from "../../session";
import { useLanguage, useText } from "../../text/text";
import { Button, buttonClass } from "../../ui/button";
import { Field, PasswordField } from "../../ui/field";
import { Shape } from "../../ui/state";
import { Summary, type Problem } from "../../ui/summary";
import { Moment } from "../../ui/time";
import { Gone, NoGood, Unreached, useToken } from "./token";
import { useLinksText } from "./text";

type Good = { email: string; expires_at: string };

/** Behind the link for who forgot the password: sets a new one. */
export function Component() {
  const t = useLinksText();
  const text = useText();
  // A link that is opened where another one was has the same page.
  useLocation();
  const token = useToken(oneTimeToken);
  const [done, setDone] = useState(false);
  const check = useQuery({
    queryKey: ["one-time", "reset", token],
    queryFn: async () =>
      (await ask<Good>("/api/auth/password/reset/check/", { method: "POST", body: { token } })).data,
    enabled: token !== "" && !done,
    staleTime: Infinity,
    gcTime: 0,
  });
  if (done) return <Done />;
  if (!token) return <Gone />;
  if (check.isError)
    return (
      <Unreached
        error={check.error}
        onRetry={() => void check.refetch()}
        used={<NoGood title={t.badTitle} body={t.badBody} />}
      />
    );
  if (!check.data)
    return (
      <>
        <h1 className="sr-only">{text.loading}</h1>
        <Shape label={text.loading} rows={4} />
      </>
    );
  return (
    <Form
      key={token}
      token={token}
      good={check.data}
      onDone={() => {
        forgetToken();
        setDone(true);
      }}
      onSpent={() => void check.refetch()}
    />
  );
}

function Done() {
  const t = useLinksText();
  const text = useText();
  return (
    <div className="space-y-4 py-6">
      <Heading title={t.resetDone} />
      <p className="text-soft">{t.resetDoneBody}</p>
      <Link to={paths.signIn} className={buttonClass("primary")}>
        {text.signIn}
      </Link>
    </div>
  );
}

const names = ["password", "password2", "token"] as const;

function Form({
  token,
  good,
  onDone,
  onSpent,
}: {
  token: string;
  good: Good;
  onDone: () => void;
  /** The link has been used or has run out meanwhile. */
  onSpent: () => void;
}) {
  const t = useLinksText();
  const text = useText();
  const { language } = useLanguage();
  const auth = useAuth();
  const minLength = useMinLength();
  const [problems, setProblems] = useState<Problem[]>([]);
  const [common, setCommon] = useState<string>();
  const required = z.string().check(z.minLength(1, text.required));
  const form = useForm({
    resolver: zodResolver(z.object({ password: required, password2: required, token: z.string() })),
    defaultValues: { password: "", password2: "", token },
    shouldFocusError: false,
    reValidateMode: "onSubmit",
  });
  const { errors } = form.formState;
  const typed = useWatch({ control: form.control });
  // Of the names this page knows nothing; the server compares with them, too.
  const about = { first_name: "", last_name: "", email: good.email };
  const verdicts = judge(typed.password ?? "", typed.password2 ?? "", about, minLength, common);
  const reveal = { show: text.showPassword, hide: text.hidePassword, capsLock: text.capsLock };
  const confirm = useMutation({
    mutationFn: (input: { token: string; password: string; password2: string }) =>
      ask("/api/auth/password/reset/confirm/", { method: "POST", body: input }),
    onSuccess() {
      onDone();
      // All sessions of the account have ended, and with them the one of this browser, if it was of this account.
      if (auth.status === "signedIn" && auth.user.email === good.email) void client.refresh().catch(() => {});
    },
    onError(error, input) {
      const found = applyServerErrors(form, names, error, text, "reset");
      if (found.some((p) => p.message === text.server("This password is too common.")))
        setCommon(input.password);
      if (found.some((p) => p.field === "reset-token")) return onSpent();
      setProblems(found);
    },
  });
  const submit = form.handleSubmit(
    (input) => {
      setProblems([]);
      confirm.mutate(input);
    },
    () =>
      setProblems(
        ownProblems(form, names, "reset", { password: text.newPassword, password2: text.repeatNewPassword }),
      ),
  );
  return (
    <div className="space-y-4">
      <Heading title={t.resetTitle} />
      <p>{t.resetFor(good.email)}</p>
      <Summary title={text.summary(problems.length)} problems={problems} />
      <form noValidate onSubmit={(event) => void submit(event)} className="space-y-4">
        {/* For password managers: whose password it is. */}
        <Field id="reset-email" label={text.email} autoComplete="username" value={good.email} readOnly />
        <PasswordField
          {...form.register("password")}
          id="reset-password"
          label={text.newPassword}
          autoComplete="new-password"
          texts={reveal}
          errors={sentences(errors.password)}
        />
        <PasswordField
          {...form.register("password2")}
          id="reset-password2"
          label={text.repeatNewPassword}
          autoComplete="new-password"
          texts={reveal}
          errors={sentences(errors.password2)}
        />
        <RuleList id="reset-rules" verdicts={verdicts} minLength={minLength} />
        <p className="text-small text-soft">{t.resetEnds}</p>
        <Button type="submit" kind="primary" waiting={confirm.isPending && text.waiting} className="w-full">
          {t.resetDo}
        </Button>
      </form>
      <p className="text-small text-soft">
        {t.validUntil} <Moment time={good.expires_at} language={language} />.
      </p>
    </div>
  );
}
