import { zodResolver } from "@hookform/resolvers/zod";
import { LatchkeyError } from "@latchkey/client";
import { useAuth } from "@latchkey/client/react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useForm } from "react-hook-form";
import { Link, Navigate, useSearchParams } from "react-router";
import * as z from "zod/mini";
import { paths, wayBack } from "../../paths";
import { ownProblems, sentences, words } from "../../people/problems";
import { settingsQuery } from "../../people/queries";
import { Heading } from "../../people/screen";
import { noteSignIn } from "../../session";
import { useText } from "../../text/text";
import { Button } from "../../ui/button";
import { Field, PasswordField } from "../../ui/field";
import { Summary, type Problem } from "../../ui/summary";

const names = ["email", "password"] as const;

export function SignIn() {
  const text = useText();
  const auth = useAuth();
  const [query] = useSearchParams();
  const next = wayBack(query.get("next"));
  const registration = useQuery(settingsQuery).data?.registration;
  const [problems, setProblems] = useState<Problem[]>([]);
  const required = z.string().check(z.minLength(1, text.required));
  const form = useForm({
    resolver: zodResolver(z.object({ email: required, password: required })),
    defaultValues: { email: "", password: "" },
    shouldFocusError: false,
    reValidateMode: "onSubmit",
  });
  const { errors, isSubmitting, isSubmitSuccessful } = form.formState;

  const signedIn = auth.status === "signedIn";
  const goOn = signedIn && <Navigate to={next} replace />;
  // Who has just sent this form waits with it until the next screen has come, and its heading takes the focus from here.
  if (goOn && !isSubmitting && !isSubmitSuccessful) return goOn;

  const submit = form.handleSubmit(
    async (input) => {
      setProblems([]);
      noteSignIn();
      try {
        await auth.login(input);
      } catch (error) {
        const wrong = error instanceof LatchkeyError && error.status === 401;
        setProblems([{ message: wrong ? text.wrongCredentials : words(error, text) }]);
      }
    },
    () => setProblems(ownProblems(form, names, "sign-in", { email: text.email, password: text.password })),
  );

  const ended = auth.reason && text.ended[auth.reason];
  return (
    <div className="space-y-5">
      {goOn}
      <Heading title={text.signInTitle} />
      {ended && problems.length === 0 && (
        <p role="status" className="rounded-card border border-edge bg-sunken p-3">
          {ended}
        </p>
      )}
      <Summary title={text.summary(problems.length)} problems={problems} />
      <form noValidate onSubmit={(event) => void submit(event)} className="space-y-4">
        <Field
          {...form.register("email")}
          id="sign-in-email"
          label={text.email}
          type="email"
          inputMode="email"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          errors={sentences(errors.email)}
        />
        <PasswordField
          {...form.register("password")}
          id="sign-in-password"
          label={text.password}
          autoComplete="current-password"
          texts={{ show: text.showPassword, hide: text.hidePassword, capsLock: text.capsLock }}
          errors={sentences(errors.password)}
        />
        <Button
          type="submit"
          kind="primary"
          waiting={(isSubmitting || signedIn) && text.waiting}
          className="w-full"
        >
          {text.signIn}
        </Button>
      </form>
      {registration?.open !== false && (
        <p>
          {text.noAccount}{" "}
          <Link
            to={{
              pathname: paths.register,
              search: next === paths.home ? "" : `?next=${encodeURIComponent(next)}`,
            }}
            className="inline-flex min-h-11 items-center font-medium underline underline-offset-4"
          >
            {text.createAccount}
          </Link>
        </p>
      )}
    </div>
  );
}
