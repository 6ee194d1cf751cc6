import { zodResolver } from "@hookform/resolvers/zod";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useForm, useWatch } from "react-hook-form";
import { useBlocker } from "react-router";
import * as z from "zod/mini";
import type { Answer } from "../../ask";
import { applyServerErrors, ownProblems, sentences } from "../../people/problems";
import { NotProved, useProof } from "../../people/proof";
import { client } from "../../session";
import { useText } from "../../text/text";
import { Button } from "../../ui/button";
import { Confirm } from "../../ui/confirm";
import { Field } from "../../ui/field";
import { Card } from "../../ui/state";
import { Summary, type Problem } from "../../ui/summary";
import { useToast } from "../../ui/toast";
import { Conflict, conflictOf, type Difference } from "./conflict";
import { isStatus, nameOf, said } from "./names";
import { useConsoleText } from "./text";
import { changeUser, userQuery, type User, type UserChange } from "./users";

const names = ["first_name", "last_name", "email", "phone"] as const;

/** Who a user is; a form for who may change it. */
export function Details({ answer, editable }: { answer: Answer<User>; editable: boolean }) {
  const text = useText();
  const t = useConsoleText();
  const user = answer.data;
  const [beginning, setBeginning] = useState(0);
  /** Lets go what was typed: the form begins anew, with what the server has. */
  const startOver = () => {
    setBeginning((n) => n + 1);
    document.getElementById("details")?.focus();
  };
  return (
    <Card id="details" title={t.details}>
      {editable ? (
        <Form key={beginning} answer={answer} startOver={startOver} />
      ) : (
        <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-6 gap-y-3">
          <dt className="text-soft">{text.firstName}</dt>
          <dd>{user.first_name || "–"}</dd>
          <dt className="text-soft">{text.lastName}</dt>
          <dd>{user.last_name || "–"}</dd>
          <dt className="text-soft">{text.email}</dt>
          <dd>{user.email}</dd>
          <dt className="text-soft">{text.phone}</dt>
          <dd>{user.phone || "–"}</dd>
        </dl>
      )}
    </Card>
  );
}

function Form({ answer, startOver }: { answer: Answer<User>; startOver: () => void }) {
  const text = useText();
  const t = useConsoleText();
  const toast = useToast();
  const queries = useQueryClient();
  const user = answer.data;
  const prove = useProof();
  const [problems, setProblems] = useState<Problem[]>([]);
  const [conflict, setConflict] = useState<Difference[]>();
  const required = z.string().check(z.minLength(1, text.required));
  const { first_name, last_name, email, phone } = user;
  const form = useForm({
    resolver: zodResolver(
      z.object({ first_name: required, last_name: required, email: required, phone: z.string() }),
    ),
    // What the server has, also when that changes elsewhere; what is being edited stays.
    values: { first_name, last_name, email, phone },
    resetOptions: { keepDirtyValues: true },
    shouldFocusError: false,
    reValidateMode: "onSubmit",
  });
  const { errors } = form.formState;
  // The form's own isDirty forgets what is kept when newer values come.
  const typed = useWatch({ control: form.control });
  const isDirty = names.some((name) => (typed[name] ?? user[name]) !== user[name]);
  const labels = {
    first_name: text.firstName,
    last_name: text.lastName,
    email: text.email,
    phone: text.phone,
  };

  const save = useMutation({
    mutationFn: (change: UserChange) => prove(t.edit, () => changeUser(user.id, change, answer.etag)),
    onSuccess(saved) {
      setConflict(undefined);
      queries.setQueryData(userQuery(user.id).queryKey, saved);
      const { first_name, last_name, email, phone } = saved.data;
      form.reset({ first_name, last_name, email, phone });
      void queries.invalidateQueries({ queryKey: ["users"] });
      if (saved.data.id === client.state.user?.id) void client.profile.get().catch(() => {});
      toast(t.userSaved(nameOf(saved.data)));
    },
    async onError(reason) {
      if (reason instanceof NotProved) return;
      if (isStatus(reason, 412)) {
        const newer = await queries.fetchQuery(userQuery(user.id)).catch(() => undefined);
        if (newer) {
          setConflict(conflictOf(user, newer.data));
          return;
        }
      }
      const found = applyServerErrors(form, names, reason, text, "user");
      // What is about no field is said as the administration says it.
      setProblems(found.some((p) => p.field) ? found : [{ message: said(reason, text) }]);
    },
  });

  const submit = form.handleSubmit(
    (input) => {
      setProblems([]);
      const changed = Object.fromEntries(names.filter((n) => input[n] !== user[n]).map((n) => [n, input[n]]));
      if (Object.keys(changed).length === 0) toast(t.userSaved(nameOf(user)));
      else save.mutate(changed);
    },
    () => setProblems(ownProblems(form, names, "user", labels)),
  );

  const blocker = useBlocker(({ currentLocation, nextLocation }) => {
    const signedIn = client.state.status === "signedIn";
    return isDirty && signedIn && currentLocation.pathname !== nextLocation.pathname;
  });
  useEffect(() => {
    if (!isDirty) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, [isDirty]);

  return (
    <form noValidate onSubmit={(event) => void submit(event)} className="space-y-4">
      <Summary title={text.summary(problems.length)} problems={problems} />
      {conflict && (
        <Conflict name={nameOf(user)} differences={conflict} onTake={isDirty ? startOver : undefined} />
      )}
      <div className="grid grid-cols-[minmax(0,1fr)] gap-4 sm:grid-cols-[repeat(2,minmax(0,1fr))]">
        <Field
          {...form.register("first_name")}
          id="user-first_name"
          label={text.firstName}
          autoComplete="off"
          errors={sentences(errors.first_name)}
        />
        <Field
          {...form.register("last_name")}
          id="user-last_name"
          label={text.lastName}
          autoComplete="off"
          errors={sentences(errors.last_name)}
        />
      </div>
      <Field
        {...form.register("email")}
        id="user-email"
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
        id="user-phone"
        label={text.phone}
        note={text.optional}
        type="tel"
        autoComplete="off"
        errors={sentences(errors.phone)}
      />
      <div className="flex flex-wrap gap-3">
        <Button type="submit" kind="primary" waiting={save.isPending && text.waiting}>
          {t.edit}
        </Button>
        {isDirty && <Button onClick={startOver}>{text.discard}</Button>}
      </div>
      <Confirm
        open={blocker.state === "blocked"}
        onOpenChange={(open) => {
          if (!open) blocker.reset?.();
        }}
        title={text.leaveTitle}
        action={text.leave}
        cancel={text.stay}
        onConfirm={() => blocker.proceed?.()}
      >
        {text.leaveBody}
      </Confirm>
    </form>
  );
}
