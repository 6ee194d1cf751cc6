import { zodResolver } from "@hookform/resolvers/zod";
import type { Role } from "@latchkey/client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useForm } from "react-hook-form";
import { Link, useNavigate } from "react-router";
import * as z from "zod/mini";
import { paths, userPath } from "../../paths";
import type { May } from "../../people/permissions";
import { applyServerErrors, ownProblems, sentences } from "../../people/problems";
import { NotProved, useProof } from "../../people/proof";
import { Heading } from "../../people/screen";
import { useText } from "../../text/text";
import { Button, buttonClass } from "../../ui/button";
import { Field } from "../../ui/field";
import { Summary, type Problem } from "../../ui/summary";
import { useToast } from "../../ui/toast";
import { Guard, useRefusal } from "./guard";
import { nameOf, roleNames, said } from "./names";
import { useConsoleText } from "./text";
import { createUser, type NewUser } from "./users";

const names = ["first_name", "last_name", "email", "phone", "role"] as const;

/** Makes an account for somebody else; it gets its password by a link. */
export function NewUserScreen() {
  return <Guard permission="users.create">{(may) => <Form may={may} />}</Guard>;
}

function Form({ may }: { may: May }) {
  const text = useText();
  const t = useConsoleText();
  const toast = useToast();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const prove = useProof();
  const [problems, setProblems] = useState<Problem[]>([]);
  const roles = roleNames.filter((role) => may("users.create", role));
  const usual = roles.includes("employee") ? "employee" : (roles.at(-1) ?? "client");
  const required = z.string().check(z.minLength(1, text.required));
  const form = useForm({
    resolver: zodResolver(
      z.object({
        first_name: required,
        last_name: required,
        email: required,
        phone: z.string(),
        role: z.string(),
      }),
    ),
    defaultValues: { first_name: "", last_name: "", email: "", phone: "", role: usual as string },
    shouldFocusError: false,
    reValidateMode: "onSubmit",
  });
  const { errors } = form.formState;
  const create = useMutation({
    mutationFn: (user: NewUser) => prove(t.createDo, () => createUser(user)),
    onSuccess(user) {
      void queries.invalidateQueries({ queryKey: ["users"] });
      void navigate(userPath(user.id), { state: { created: true } });
      toast(t.userSaved(nameOf(user)));
    },
    onError(error) {
      if (error instanceof NotProved) return;
      const found = applyServerErrors(form, names, error, text, "new");
      setProblems(found.some((p) => p.field) ? found : [{ message: said(error, text) }]);
    },
  });
  useRefusal(create.error);
  const labels = {
    first_name: text.firstName,
    last_name: text.lastName,
    email: text.email,
    phone: text.phone,
    role: text.role,
  };
  const submit = form.handleSubmit(
    ({ phone, role, ...input }) => {
      setProblems([]);
      const chosen: Role = roles.find((r) => r === role) ?? usual;
      create.mutate({ ...input, role: chosen, ...(phone ? { phone } : {}) });
    },
    () => setProblems(ownProblems(form, names, "new", labels)),
  );
  return (
    <div className="max-w-2xl space-y-5">
      <Heading title={t.createTitle} />
      <p className="text-soft">{t.createIntro}</p>
      <Summary title={text.summary(problems.length)} problems={problems} />
      <form noValidate onSubmit={(event) => void submit(event)} className="space-y-4">
        <div className="grid grid-cols-[minmax(0,1fr)] gap-4 sm:grid-cols-[repeat(2,minmax(0,1fr))]">
          <Field
            {...form.register("first_name")}
            id="new-first_name"
            label={text.firstName}
            autoComplete="off"
            errors={sentences(errors.first_name)}
          />
          <Field
            {...form.register("last_name")}
            id="new-last_name"
            label={text.lastName}
            autoComplete="off"
            errors={sentences(errors.last_name)}
          />
        </div>
        <Field
          {...form.register("email")}
          id="new-email"
          label={text.email}
          type="email"
          inputMode="email"
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          errors={sentences(errors.email)}
        />
        <Field
          {...form.register("phone")}
          id="new-phone"
          label={text.phone}
          note={text.optional}
          type="tel"
          autoComplete="off"
          errors={sentences(errors.phone)}
        />
        <fieldset>
          <legend className="mb-1 text-small font-medium">{text.role}</legend>
          <div className="grid grid-cols-[minmax(0,1fr)] gap-2 sm:grid-cols-[repeat(2,minmax(0,1fr))]">
            {roles.map((role, i) => (
              <label
                key={role}
                className="flex min-h-11 items-center gap-2 rounded-card border border-edge bg-surface px-3 py-1 has-checked:border-brass has-checked:bg-sunken"
              >
                <input
                  {...form.register("role")}
                  id={i === 0 ? "new-role" : undefined}
                  type="radio"
                  value={role}
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
        <div className="flex flex-wrap gap-3">
          <Button type="submit" kind="primary" waiting={create.isPending && text.waiting}>
            {t.createDo}
          </Button>
          <Link to={paths.users} className={buttonClass("plain")}>
            {text.cancel}
          </Link>
        </div>
      </form>
    </div>
  );
}
