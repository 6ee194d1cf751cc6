import { zodResolver } from "@hookform/resolvers/zod";
import type { PasswordChange } from "@latchkey/client";
import { useAuth } from "@latchkey/client/react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useForm, useWatch } from "react-hook-form";
import * as z from "zod/mini";
import { applyServerErrors, ownProblems, sentences } from "../../people/problems";
import { useMinLength } from "../../people/queries";
import { RuleList } from "../../people/rule-list";
import { judge } from "../../people/rules";
import { client } from "../../session";
import { useText } from "../../text/text";
import { Button } from "../../ui/button";
import { PasswordField } from "../../ui/field";
import { Card } from "../../ui/state";
import { Summary, type Problem } from "../../ui/summary";
import { useToast } from "../../ui/toast";

const names = ["old_password", "password", "password2"] as const;
const empty = { old_password: "", password: "", password2: "" };

export function ChangePassword() {
  const text = useText();
  const toast = useToast();
  const { user } = useAuth();
  const queries = useQueryClient();
  const minLength = useMinLength();
  const [problems, setProblems] = useState<Problem[]>([]);
  const [common, setCommon] = useState<string>();
  const required = z.string().check(z.minLength(1, text.required));
  const form = useForm({
    resolver: zodResolver(z.object({ old_password: required, password: required, password2: required })),
    defaultValues: empty,
    shouldFocusError: false,
    reValidateMode: "onSubmit",
  });
  const { errors } = form.formState;
  const typed = useWatch({ control: form.control });
  const about = user ?? { first_name: "", last_name: "", email: "" };
  const verdicts = judge(typed.password ?? "", typed.password2 ?? "", about, minLength, common);
  const change = useMutation({
    mutationFn: (input: PasswordChange) => client.password.change(input),
    onSuccess({ ended }) {
      form.reset(empty);
      toast(text.passwordChanged(ended));
      void queries.invalidateQueries({ queryKey: ["sessions"] });
      void queries.invalidateQueries({ queryKey: ["events"] });
    },
    onError(error, input) {
      const found = applyServerErrors(form, names, error, text, "change");
      if (found.some((p) => p.message === text.server("This password is too common.")))
        setCommon(input.password);
      setProblems(found);
    },
  });
  const labels = {
    old_password: text.currentPassword,
    password: text.newPassword,
    password2: text.repeatNewPassword,
  };
  const submit = form.handleSubmit(
    (input) => {
      setProblems([]);
      change.mutate(input);
    },
    () => setProblems(ownProblems(form, names, "change", labels)),
  );
  const reveal = { show: text.showPassword, hide: text.hidePassword, capsLock: text.capsLock };
  return (
    <Card id="change-title" title={text.changePassword}>
      <form noValidate onSubmit={(event) => void submit(event)} className="space-y-4">
        <Summary title={text.summary(problems.length)} problems={problems} />
        {/* For password managers: whose password it is. */}
        <input
          type="text"
          name="username"
          autoComplete="username"
          value={user?.email ?? ""}
          readOnly
          hidden
        />
        <PasswordField
          {...form.register("old_password")}
          id="change-old_password"
          label={text.currentPassword}
          autoComplete="current-password"
          texts={reveal}
          errors={sentences(errors.old_password)}
        />
        <PasswordField
          {...form.register("password")}
          id="change-password"
          label={text.newPassword}
          autoComplete="new-password"
          texts={reveal}
          errors={sentences(errors.password)}
        />
        <PasswordField
          {...form.register("password2")}
          id="change-password2"
          label={text.repeatNewPassword}
          autoComplete="new-password"
          texts={reveal}
          errors={sentences(errors.password2)}
        />
        <RuleList id="change-rules" verdicts={verdicts} minLength={minLength} />
        <Button type="submit" kind="primary" waiting={change.isPending && text.waiting}>
          {text.changePassword}
        </Button>
      </form>
    </Card>
  );
}
