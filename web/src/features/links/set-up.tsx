import { zodResolver } from "@hookform/resolvers/zod";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useForm, useWatch } from "react-hook-form";
import { useLocation, useNavigate } from "react-router";
import * as z from "zod/mini";
import { ask } from "../../ask";
import { forgetToken, oneTimeToken } from "../../one-time";
import { paths } from "../../paths";
import { applyServerErrors, ownProblems, sentences } from "../../people/problems";
import { useMinLength } from "../../people/queries";
import { RuleList } from "../../people/rule-list";
import { judge } from "../../people/rules";
import { Heading } from "../../people/screen";
import { client, noteSignIn } from "../../session";
import { useLanguage, useText } from "../../text/text";
import { Button } from "../../ui/button";
import { Field, PasswordField } from "../../ui/field";
import { Shape } from "../../ui/state";
import { Summary, type Problem } from "../../ui/summary";
import { Moment } from "../../ui/time";
import { Gone, NoGood, Unreached, useToken } from "./token";
import { useLinksText } from "./text";

/** Behind the link that the server prints while there is no administrator: makes the first one. */
export function Component() {
  const t = useLinksText();
  const text = useText();
  useLocation(); // a link that is opened where another one was has the same page
  const token = useToken(oneTimeToken);
  const check = useQuery({
    queryKey: ["one-time", "set-up", token],
    queryFn: async () =>
      (await ask<{ expires_at: string }>("/api/auth/setup/check/", { method: "POST", body: { token } })).data,
    enabled: token !== "",
    staleTime: Infinity,
    gcTime: 0,
  });
  if (!token) return <Gone />;
  if (check.isError)
    return (
      <Unreached
        error={check.error}
        onRetry={() => void check.refetch()}
        used={<NoGood title={t.setUpBadTitle} body={t.setUpBadBody} />}
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
    <Form key={token} token={token} expires={check.data.expires_at} onSpent={() => void check.refetch()} />
  );
}

const names = ["first_name", "last_name", "email", "password", "password2", "token"] as const;

function Form({ token, expires, onSpent }: { token: string; expires: string; onSpent: () => void }) {
  const t = useLinksText();
  const text = useText();
  const { language } = useLanguage();
  const navigate = useNavigate();
  const minLength = useMinLength();
  const [problems, setProblems] = useState<Problem[]>([]);
  const [common, setCommon] = useState<string>();
  const required = z.string().check(z.minLength(1, text.required));
  const form = useForm({
    resolver: zodResolver(
      z.object({
        first_name: required,
        last_name: required,
        email: required,
        password: required,
        password2: required,
        token: z.string(),
      }),
    ),
    defaultValues: { first_name: "", last_name: "", email: "", password: "", password2: "", token },
    shouldFocusError: false,
    reValidateMode: "onSubmit",
  });
  const { errors } = form.formState;
  const typed = useWatch({ control: form.control });
  const about = {
    first_name: typed.first_name ?? "",
    last_name: typed.last_name ?? "",
    email: typed.email ?? "",
  };
  const verdicts = judge(typed.password ?? "", typed.password2 ?? "", about, minLength, common);
  const reveal = { show: text.showPassword, hide: text.hidePassword, capsLock: text.capsLock };
  const labels = {
    first_name: text.firstName,
    last_name: text.lastName,
    email: text.email,
    password: text.password,
    password2: text.repeatPassword,
  };
  const create = useMutation({
    mutationFn: client.setUp,
    async onSuccess() {
      forgetToken();
      await navigate(paths.admin, { replace: true });
    },
    onError(error, input) {
      const found = applyServerErrors(form, names, error, text, "set-up");
      if (found.some((p) => p.message === text.server("This password is too common.")))
        setCommon(input.password);
      if (found.some((p) => p.field === "set-up-token")) return onSpent();
      setProblems(found);
    },
  });
  const submit = form.handleSubmit(
    (input) => {
      setProblems([]);
      noteSignIn();
      create.mutate(input);
    },
    () => setProblems(ownProblems(form, names, "set-up", labels)),
  );
  return (
    <div className="space-y-4">
      <Heading title={t.setUpTitle} />
      <p className="text-soft">{t.setUpIntro}</p>
      <Summary title={text.summary(problems.length)} problems={problems} />
      <form noValidate onSubmit={(event) => void submit(event)} className="space-y-4">
        <div className="grid grid-cols-[minmax(0,1fr)] gap-4 min-[360px]:grid-cols-[repeat(2,minmax(0,1fr))]">
          <Field
            {...form.register("first_name")}
            id="set-up-first_name"
            label={text.firstName}
            autoComplete="given-name"
            errors={sentences(errors.first_name)}
          />
          <Field
            {...form.register("last_name")}
            id="set-up-last_name"
            label={text.lastName}
            autoComplete="family-name"
            errors={sentences(errors.last_name)}
          />
        </div>
        <Field
          {...form.register("email")}
          id="set-up-email"
          label={text.email}
          type="email"
          inputMode="email"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          errors={sentences(errors.email)}
        />
        <div className="grid grid-cols-[minmax(0,1fr)] gap-4 min-[360px]:grid-cols-[repeat(2,minmax(0,1fr))]">
          <PasswordField
            {...form.register("password")}
            id="set-up-password"
            label={text.password}
            autoComplete="new-password"
            texts={reveal}
            errors={sentences(errors.password)}
          />
          <PasswordField
            {...form.register("password2")}
            id="set-up-password2"
            label={text.repeatPassword}
            autoComplete="new-password"
            texts={reveal}
            errors={sentences(errors.password2)}
          />
        </div>
        <RuleList id="set-up-rules" verdicts={verdicts} minLength={minLength} />
        <Button type="submit" kind="primary" waiting={create.isPending && text.waiting} className="w-full">
          {t.setUpDo}
        </Button>
      </form>
      <p className="text-small text-soft">
        {t.validUntil} <Moment time={expires} language={language} />.
      </p>
    </div>
  );
}
