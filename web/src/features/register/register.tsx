import { zodResolver } from "@hookform/resolvers/zod";
import type { Role } from "@latchkey/client";
import { useAuth } from "@latchkey/client/react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useForm, useWatch } from "react-hook-form";
import { Link, Navigate, useSearchParams } from "react-router";
import * as z from "zod/mini";
import { paths, wayBack } from "../../paths";
import { applyServerErrors, ownProblems, sentences } from "../../people/problems";
import { settingsQuery, useMinLength } from "../../people/queries";
import { RuleList } from "../../people/rule-list";
import { judge } from "../../people/rules";
import { Heading } from "../../people/screen";
import { noteSignIn } from "../../session";
import { useText } from "../../text/text";
import { Button } from "../../ui/button";
import { Field, PasswordField } from "../../ui/field";
import { Summary, type Problem } from "../../ui/summary";

const names = ["first_name", "last_name", "email", "phone", "role", "password", "password2"] as const;

export function Register() {
  const text = useText();
  const auth = useAuth();
  const [query] = useSearchParams();
  const next = wayBack(query.get("next"));
  const registration = useQuery(settingsQuery).data?.registration;
  const roles: Role[] = registration?.roles ?? [];
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
        phone: z.string(),
        role: z.string(),
        password: required,
        password2: required,
      }),
    ),
    defaultValues: {
      first_name: "",
      last_name: "",
      email: "",
      phone: "",
      role: "",
      password: "",
      password2: "",
    },
    shouldFocusError: false,
    reValidateMode: "onSubmit",
  });
  const { errors, isSubmitting, isSubmitSuccessful } = form.formState;
  const typed = useWatch({ control: form.control });
  const about = {
    first_name: typed.first_name ?? "",
    last_name: typed.last_name ?? "",
    email: typed.email ?? "",
  };
  const verdicts = judge(typed.password ?? "", typed.password2 ?? "", about, minLength, common);
  const reveal = { show: text.showPassword, hide: text.hidePassword, capsLock: text.capsLock };

  const signedIn = auth.status === "signedIn";
  const goOn = signedIn && <Navigate to={next} replace />;
  // As on the sign-in screen: the form waits until the next screen has come.
  if (goOn && !isSubmitting && !isSubmitSuccessful) return goOn;
  if (registration?.open === false) {
    return (
      <div className="space-y-4">
        <Heading title={text.registerTitle} />
        <p>{text.closed}</p>
        <SignInInstead next={next} />
      </div>
    );
  }

  const labels = {
    first_name: text.firstName,
    last_name: text.lastName,
    email: text.email,
    phone: text.phone,
    role: text.role,
    password: text.password,
    password2: text.repeatPassword,
  };
  const submit = form.handleSubmit(
    async ({ role, phone, ...input }) => {
      setProblems([]);
      noteSignIn();
      try {
        const chosen = roles.find((r) => r === role);
        await auth.register({ ...input, ...(phone ? { phone } : {}), ...(chosen ? { role: chosen } : {}) });
      } catch (error) {
        const found = applyServerErrors(form, names, error, text, "register");
        if (found.some((p) => p.message === text.server("This password is too common.")))
          setCommon(input.password);
        setProblems(found);
      }
    },
    () => setProblems(ownProblems(form, names, "register", labels)),
  );

  return (
    <div className="space-y-4">
      {goOn}
      <Heading title={text.registerTitle} />
      <Summary title={text.summary(problems.length)} problems={problems} />
      <form noValidate onSubmit={(event) => void submit(event)} className="space-y-3">
        <div className="grid gap-3 min-[360px]:grid-cols-2">
          <Field
            {...form.register("first_name")}
            id="register-first_name"
            label={text.firstName}
            autoComplete="given-name"
            errors={sentences(errors.first_name)}
          />
          <Field
            {...form.register("last_name")}
            id="register-last_name"
            label={text.lastName}
            autoComplete="family-name"
            errors={sentences(errors.last_name)}
          />
        </div>
        <div className="grid gap-3 min-[360px]:grid-cols-[3fr_2fr]">
          <Field
            {...form.register("email")}
            id="register-email"
            label={text.email}
            type="email"
            inputMode="email"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            errors={sentences(errors.email)}
          />
          <Field
            {...form.register("phone")}
            id="register-phone"
            label={text.phone}
            note={text.optional}
            type="tel"
            autoComplete="tel"
            errors={sentences(errors.phone)}
          />
        </div>
        {roles.length > 1 && (
          <fieldset>
            <legend className="mb-1 text-small font-medium">{text.role}</legend>
            <div className="grid gap-2 min-[360px]:grid-cols-2">
              {roles.map((role, i) => (
                <label
                  key={role}
                  className="flex min-h-11 items-center gap-2 rounded-card border border-edge bg-surface px-3 py-1 has-checked:border-brass has-checked:bg-sunken"
                >
                  <input
                    {...form.register("role")}
                    id={i === 0 ? "register-role" : undefined}
                    type="radio"
                    value={role}
                    defaultChecked={role === (roles.includes("employee") ? "employee" : roles[0])}
                    className="size-4 shrink-0 accent-brass"
                  />
                  <span className="min-w-0 leading-tight">
                    <span className="block">{text.roles[role]}</span>
                    <span className="block text-small text-soft">{text.roleIs[role]}</span>
                  </span>
                </label>
              ))}
            </div>
            {errors.role && <p className="mt-1 text-small text-danger">{errors.role.message}</p>}
          </fieldset>
        )}
        <div className="grid gap-3 min-[360px]:grid-cols-2">
          <PasswordField
            {...form.register("password")}
            id="register-password"
            label={text.password}
            autoComplete="new-password"
            texts={reveal}
            aria-describedby="register-rules"
            errors={sentences(errors.password)}
          />
          <PasswordField
            {...form.register("password2")}
            id="register-password2"
            label={text.repeatPassword}
            autoComplete="new-password"
            texts={reveal}
            errors={sentences(errors.password2)}
          />
        </div>
        <RuleList id="register-rules" verdicts={verdicts} minLength={minLength} />
        <Button
          type="submit"
          kind="primary"
          waiting={(isSubmitting || signedIn) && text.waiting}
          className="w-full"
        >
          {text.createAccount}
        </Button>
      </form>
      <SignInInstead next={next} />
    </div>
  );
}

function SignInInstead({ next }: { next: string }) {
  const text = useText();
  return (
    <p>
      {text.haveAccount}{" "}
      <Link
        to={{
          pathname: paths.signIn,
          search: next === paths.home ? "" : `?next=${encodeURIComponent(next)}`,
        }}
        className="inline-flex min-h-11 items-center font-medium underline underline-offset-4"
      >
        {text.signIn}
      </Link>
    </p>
  );
}
